package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/audit"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// BenchmarkAdmission writes what an admission writes (user, student, enrollment, two guardians, two links), as the service
// does, of one student and of a hundred: with the audit trail, and with its triggers off. The ratio is what the trail costs.
func BenchmarkAdmission(b *testing.B) {
	s := newSchool(b)
	actor := db.Actor{Kind: db.ActorUser, Action: "admitStudents", User: demoRow(501), Session: demoRow(501), Address: "203.0.113.7", Request: uuid.NewString()}
	number := 0
	for _, students := range []int{1, 100} {
		for _, with := range []bool{true, false} {
			s.auditing(b, with)
			b.Run(fmt.Sprintf("students=%d/trail=%t", students, with), func(b *testing.B) {
				for b.Loop() {
					a := admissions(students, &number)
					s.tx(b, actor, a.insert)
				}
			})
		}
	}
}

// auditing turns the triggers on or off.
func (s school) auditing(t testing.TB, on bool) {
	t.Helper()
	verb := map[bool]string{true: "enable", false: "disable"}[on]
	for _, table := range []string{"users", "students", "enrollments", "guardians", "student_guardians"} {
		s.in(t, `alter table `+table+` `+verb+` trigger audit_write`)
	}
}

// BenchmarkSeal gives a thousand events their places, and says how large an event is with its place and all indexes.
func BenchmarkSeal(b *testing.B) {
	s := newSchool(b)
	for b.Loop() {
		b.StopTimer()
		s.in(b, `insert into guardians (id, first_name, last_name) select gen_random_uuid(), 'A', 'B' from generate_series(1, 1000)`)
		b.StartTimer()
		require.GreaterOrEqual(b, s.seal(b), int64(1000))
	}
	b.ReportMetric(dbtest.Value[float64](b, s.Database, `select (pg_total_relation_size($1 || '.audit_events') + pg_total_relation_size($1 || '.audit_seals'))::float8
		/ (select count(*) from `+s.schema+`.audit_events)`, s.schema), "B/event")
}

// BenchmarkVerify goes along a chain of ten thousand.
func BenchmarkVerify(b *testing.B) {
	s := newSchool(b)
	s.in(b, `insert into guardians (id, first_name, last_name) select gen_random_uuid(), 'A', 'B' from generate_series(1, 10000)`)
	s.seal(b)
	for b.Loop() {
		require.Nil(b, s.verify(b, audit.Check{}).Fault)
	}
}

type admissionRows struct {
	users       []gendb.AdmitUsersParams
	students    []gendb.AdmitStudentsParams
	enrollments []gendb.OpenEnrollmentsParams
	guardians   []gendb.CreateGuardiansParams
	links       []gendb.LinkGuardiansParams
}

func admissions(n int, number *int) admissionRows {
	var a admissionRows
	day := openapi_types.Date{Time: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	for range n {
		*number++
		student, user := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
		a.users = append(a.users, gendb.AdmitUsersParams{ID: user, Email: new(fmt.Sprintf("bench%d@example.org", *number)), FirstName: "Asha", LastName: "Verma"})
		a.students = append(a.students, gendb.AdmitStudentsParams{
			ID: student, UserID: user, InstitutionID: demoRow(101), AdmissionNumber: fmt.Sprint("BENCH-", *number), FirstName: "Asha", LastName: "Verma",
			DateOfBirth: &day, Phone: new("+91 98450 00001"), AdmissionDate: day, Address: new("12 Temple Road"), CustomFields: json.RawMessage(`{"house": "Ganga"}`),
		})
		a.enrollments = append(a.enrollments, gendb.OpenEnrollmentsParams{
			ID: uuid.Must(uuid.NewV7()), StudentID: student, InstitutionID: demoRow(101), AcademicYearID: demoRow(201), ClassID: demoRow(302), SectionID: demoRow(403), StartedOn: day,
		})
		for i := range 2 {
			guardian := uuid.Must(uuid.NewV7())
			a.guardians = append(a.guardians, gendb.CreateGuardiansParams{ID: guardian, FirstName: "Maria", LastName: "Verma", Email: new("maria@example.org")})
			a.links = append(a.links, gendb.LinkGuardiansParams{StudentID: student, GuardianID: guardian, Relationship: "mother", IsPrimary: i == 0, Position: int16(i)})
		}
	}
	return a
}

func (a admissionRows) insert(ctx context.Context, q *db.Queries) error {
	for _, send := range []func() db.BatchResults{
		func() db.BatchResults { return q.AdmitUsers(ctx, a.users) },
		func() db.BatchResults { return q.AdmitStudents(ctx, a.students) },
		func() db.BatchResults { return q.OpenEnrollments(ctx, a.enrollments) },
		func() db.BatchResults { return q.CreateGuardians(ctx, a.guardians) },
		func() db.BatchResults { return q.LinkGuardians(ctx, a.links) },
	} {
		if i, err := db.RunBatch(send()); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}
