package seed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/student"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

const writeTimeout = 30 * time.Second

// yearStart is the first day of the demo's current year, and of every enrollment in it.
var yearStart = date(2026, 4, 1)

// writer writes one school.
type writer struct {
	school

	box          *seal.Box
	passwordHash string
}

// write fills an empty tenant; one that has institutions is left alone.
func (w writer) write(ctx context.Context, q *db.Queries) error {
	_, err := q.GetInstitution(ctx, numbered(101))
	if err == nil {
		return nil
	}
	if apperr.KindOf(db.Translate(err)) != apperr.NotFound {
		return err
	}
	for _, step := range []func(context.Context, *db.Queries) error{
		w.structure, w.calendars, w.subjects, w.roles, w.users, w.teaching, w.endedSessions, w.admissions, w.withdrawal, w.attendance, w.exams, w.webhook,
	} {
		if err := step(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) structure(ctx context.Context, q *db.Queries) error {
	for i, n := range w.institutions {
		if _, err := q.CreateInstitution(ctx, gendb.CreateInstitutionParams{
			ID: numbered(101 + i), Name: n.name, Code: n.code, IsActive: i < 2, // the last one is closed
			TimeZone: "Asia/Kolkata", WorkingDays: workingDays,
		}); err != nil {
			return fmt.Errorf("institution: %w", err)
		}
	}
	years := []gendb.CreateAcademicYearParams{
		{ID: numbered(201), InstitutionID: numbered(101), Name: "2026-27", StartDate: yearStart, EndDate: date(2027, 3, 31), IsCurrent: true, IsActive: true},
		{ID: numbered(202), InstitutionID: numbered(101), Name: "2025-26", StartDate: date(2025, 4, 1), EndDate: date(2026, 3, 31), IsActive: true},
		{ID: numbered(203), InstitutionID: numbered(102), Name: "2026-27", StartDate: yearStart, EndDate: date(2027, 3, 31), IsCurrent: true, IsActive: true},
	}
	for _, y := range years {
		if _, err := q.CreateAcademicYear(ctx, y); err != nil {
			return fmt.Errorf("academic year: %w", err)
		}
	}
	return w.classes(ctx, q)
}

func (w writer) classes(ctx context.Context, q *db.Queries) error {
	for i, grade := range []int32{1, 5, 10, 5, 6, 2, 3, 4, 6, 7, 8, 9} {
		institution := 101
		if i == 3 || i == 4 { // two classes are of the second one
			institution = 102
		}
		if _, err := q.CreateClass(ctx, gendb.CreateClassParams{
			ID: numbered(301 + i), InstitutionID: numbered(institution), Name: fmt.Sprintf("Grade %d", grade), GradeLevel: grade, IsActive: true,
		}); err != nil {
			return fmt.Errorf("class: %w", err)
		}
	}
	sections := []struct {
		class int
		name  string
	}{{301, "A"}, {301, "B"}, {302, "A"}, {302, "B"}, {303, "A"}, {304, "A"}, {304, "B"}, {306, "A"}, {307, "A"}, {308, "A"}, {309, "A"}, {310, "A"}, {311, "A"}, {312, "A"}}
	for i, s := range sections {
		if _, err := q.CreateSection(ctx, gendb.CreateSectionParams{
			ID: numbered(401 + i), ClassID: numbered(s.class), Name: s.name, Capacity: 40, IsActive: true,
		}); err != nil {
			return fmt.Errorf("section: %w", err)
		}
	}
	return nil
}

// subjects are those of the second institution after those of the first.
func (w writer) subjects(ctx context.Context, q *db.Queries) error {
	for i, s := range subjects {
		if _, err := q.CreateSubject(ctx, gendb.CreateSubjectParams{
			ID: numbered(1001 + i), InstitutionID: numbered(s.institution), Name: s.name, Code: s.code, IsActive: s.name != "Drama",
		}); err != nil {
			return fmt.Errorf("subject: %w", err)
		}
	}
	return nil
}

// roles has one of the school's own, which nobody has yet.
func (w writer) roles(ctx context.Context, q *db.Queries) error {
	_, err := q.CreateRole(ctx, gendb.CreateRoleParams{
		ID: demoID(0xb01), Name: "Front Office", NameFolded: "front office", Description: new("Answers parents at the desk"),
		Permissions: []string{"academic:read", "students:read"}, Reach: string(contract.ReachInstitutions),
	})
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	return nil
}

func (w writer) users(ctx context.Context, q *db.Queries) error {
	for i, p := range w.staff {
		if err := w.user(ctx, q, numbered(501+i), p, p.role+"@"+w.domain, &w.passwordHash); err != nil {
			return err
		}
	}
	for i, p := range w.teachers {
		p.role = "teacher"
		email := strings.ToLower(p.first+"."+p.last) + "@" + w.domain
		if err := w.user(ctx, q, numbered(511+i), p, email, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) user(ctx context.Context, q *db.Queries, id uuid.UUID, p person, email string, passwordHash *string) error {
	if err := q.CreateUser(ctx, gendb.CreateUserParams{
		ID: id, Email: &email, FirstName: p.first, LastName: p.last, PasswordHash: passwordHash,
	}); err != nil {
		return fmt.Errorf("user: %w", err)
	}
	if err := q.GrantRole(ctx, id, p.role); err != nil {
		return fmt.Errorf("role: %w", err)
	}
	return nil
}

// endedSessions are there for the examples: one of the administrator, one of somebody else. Nobody has their tokens.
func (w writer) endedSessions(ctx context.Context, q *db.Queries) error {
	for i := range 2 {
		session, err := q.CreateSession(ctx, gendb.CreateSessionParams{
			ID: demoID(0xa01 + i), UserID: numbered(501 + i), PasswordHash: w.passwordHash, TokenHash: auth.NewToken(w.id).Hash(),
			Transport: string(api.TransportBearer), ExpiresAt: time.Now().Add(time.Hour),
		})
		if err != nil {
			return fmt.Errorf("session: %w", err)
		}
		if _, err := q.EndSession(ctx, session.ID); err != nil {
			return fmt.Errorf("session: %w", err)
		}
	}
	return nil
}

// admissions writes the students as the service itself does, in batches.
func (w writer) admissions(ctx context.Context, q *db.Queries) error {
	var rows admissionRows
	i := 0
	rolls := map[int]int32{}
	for _, at := range w.places() {
		for range at.students {
			rolls[at.section]++
			w.admission(&rows, i, at, rolls[at.section])
			i++
		}
	}
	if err := rows.insert(ctx, q); err != nil {
		return err
	}
	return q.LinkGuardianUser(ctx, new(numbered(504)), numbered(801))
}

func (w writer) admission(rows *admissionRows, i int, at place, roll int32) {
	p := w.student(i)
	s := gendb.AdmitStudentsParams{
		ID: nth(600, i), UserID: nth(700, i), InstitutionID: numbered(at.institution),
		AdmissionNumber: admissionNumber(i), FirstName: p.first, LastName: p.last,
		DateOfBirth: new(date(2016-5+i%5, time.Month(1+i%12), 1+i%28)), AdmissionDate: yearStart, CustomFields: json.RawMessage(`{}`),
	}
	guardian := person{first: guardianNames[i%len(guardianNames)], last: p.last}
	u := gendb.AdmitUsersParams{ID: s.UserID, FirstName: p.first, LastName: p.last}
	g := gendb.CreateGuardiansParams{ID: nth(800, i), FirstName: guardian.first, LastName: guardian.last}
	if i == 0 { // the student of the examples
		w.complete(&s, &u, &g)
	}
	rows.users = append(rows.users, u)
	rows.students = append(rows.students, s)
	rows.guardians = append(rows.guardians, g)
	rows.links = append(rows.links, gendb.LinkGuardiansParams{
		StudentID: s.ID, GuardianID: g.ID, Relationship: "mother", IsPrimary: true,
	})
	rows.enrollments = append(rows.enrollments, gendb.OpenEnrollmentsParams{
		ID: nth(900, i), StudentID: s.ID, InstitutionID: s.InstitutionID, AcademicYearID: numbered(at.year),
		ClassID: numbered(at.class), SectionID: numbered(at.section), RollNumber: &roll, StartedOn: yearStart,
	})
}

// complete gives the first student everything that can be said of one.
func (w writer) complete(s *gendb.AdmitStudentsParams, u *gendb.AdmitUsersParams, g *gendb.CreateGuardiansParams) {
	u.Email = new(strings.ToLower(s.FirstName+"."+s.LastName) + "@" + w.domain)
	s.DateOfBirth, s.Gender, s.Phone = new(date(2016, 2, 29)), new("female"), new("+91 98450 00001")
	s.Address, s.BloodGroup = new("12 Temple Road, Mysuru"), new("O+")
	s.CustomFields = json.RawMessage(`{"house": "Ganga", "bus": 7}`)
	aadhar := student.SealAadhar(w.box, w.id, s.ID, new("999900000001"))
	s.AadharSealed, s.AadharDigest, s.AadharLast4 = aadhar.Sealed, aadhar.Digest, aadhar.Last4
	g.FirstName, g.Email, g.Phone = w.staff[3].first, new("guardian@"+w.domain), new("+91 98450 10001")
}

// withdrawal lets the last student have left.
func (w writer) withdrawal(ctx context.Context, q *db.Queries) error {
	last := len(w.students) - 1
	if _, err := q.CloseEnrollment(ctx, gendb.CloseEnrollmentParams{
		StudentID: numbered(601 + last), Status: "withdrawn", EndedOn: new(date(2026, 9, 30)), Reason: new("Moved away"),
	}); err != nil {
		return fmt.Errorf("withdrawal: %w", err)
	}
	return q.MoveStudent(ctx, gendb.MoveStudentParams{
		ID: numbered(601 + last), InstitutionID: numbered(102), AdmissionNumber: admissionNumber(last), Status: "withdrawn",
	})
}

// webhook is one that is inactive, with an event that was given up.
func (w writer) webhook(ctx context.Context, q *db.Queries) error {
	id := demoID(0xc01)
	if _, err := q.CreateWebhook(ctx, gendb.CreateWebhookParams{
		ID: id, Url: "https://hooks.example.org/rollcall", Description: new("Fees"), Events: []string{"student.admitted", "student.withdrawn"},
		Secret: webhook.SealSecret(w.box, w.id, id, webhook.NewSecret()),
	}); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	event, err := q.CreateEvent(ctx, gendb.CreateEventParams{
		ID: demoID(0xe01), Type: "student.admitted", SubjectID: numbered(601), Data: json.RawMessage(`{"studentId":"` + numbered(601).String() + `"}`),
	})
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	if err := q.CreateDelivery(ctx, gendb.CreateDeliveryParams{
		ID: demoID(0xf01), WebhookID: id, EventID: event.ID, SubjectID: event.SubjectID, Position: event.Position,
	}); err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	return w.failedAttempts(ctx, q, id)
}

func (w writer) failedAttempts(ctx context.Context, q *db.Queries, webhook uuid.UUID) error {
	const attempts = 9
	for attempt := int32(1); attempt <= attempts; attempt++ {
		if _, err := q.ClaimDeliveries(ctx, gendb.ClaimDeliveriesParams{WebhookID: webhook, RowLimit: 1}); err != nil {
			return fmt.Errorf("delivery: %w", err)
		}
	}
	err := q.FinishDelivery(ctx, gendb.FinishDeliveryParams{
		ID: demoID(0xf01), Attempts: attempts, Status: "failed", StatusCode: new(int32(500)), Error: new("status"),
	})
	if err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	return nil
}

var guardianNames = []string{"Lakshmi", "Priya", "Fatima", "Grace", "Rekha"}

func people(names ...string) []person {
	all := make([]person, len(names))
	for i, n := range names {
		all[i].first, all[i].last, _ = strings.Cut(n, " ")
	}
	return all
}

func date(year int, month time.Month, day int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}
