package student

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// write inserts a checked batch and reads the students back, in the order of the batch. The checks came before, in the same
// transaction; a conflict that comes now is somebody who was faster, and is named at its place too.
func write(ctx context.Context, batch []admission, places catalogue, at place) (records []gendb.StudentRecord, err error) {
	guardians, links := guardianRows(batch)
	err = db.Together(db.Last(ctx),
		func(ctx context.Context, q *db.Queries) error {
			return run("users", q.AdmitUsers(ctx, usersOf(batch)), at)
		},
		func(ctx context.Context, q *db.Queries) error {
			return run("students", q.AdmitStudents(ctx, studentsOf(batch)), at)
		},
		func(ctx context.Context, q *db.Queries) error {
			return run("enrollments", q.OpenEnrollments(ctx, enrollmentsOf(batch, places)), at)
		},
		func(ctx context.Context, q *db.Queries) error {
			return run("guardians", q.CreateGuardians(ctx, guardians), nowhere)
		},
		func(ctx context.Context, q *db.Queries) error {
			return run("links of guardians", q.LinkGuardians(ctx, links), nowhere)
		},
		func(ctx context.Context, q *db.Queries) error {
			return emit(ctx, q, api.EventTypeStudentAdmitted, idsOf(batch)...)
		},
		func(ctx context.Context, q *db.Queries) (err error) {
			records, err = inOrder(ctx, q, batch)
			return err
		})
	return records, err
}

// nowhere is the place of rows that are not items of a list in the body.
func nowhere(int) []any { return nil }

// run writes the rows of a batch; a failure names the item of the body.
func run(what string, results db.BatchResults, at place) error {
	i, err := db.RunBatch(results)
	if err != nil {
		return fmt.Errorf("write %s: %w", what, atPlace(db.Translate(err), at(i)))
	}
	return nil
}

// atPlace names the fields of an error where the admission stands in the body.
func atPlace(err error, path []any) error {
	known, ok := errors.AsType[*apperr.Error](err)
	if !ok {
		return err
	}
	moved := *known
	moved.Fields = apperr.Under(known.Fields, path...)
	return &moved
}

func usersOf(batch []admission) []gendb.AdmitUsersParams {
	rows := make([]gendb.AdmitUsersParams, len(batch))
	for i, a := range batch {
		rows[i] = gendb.AdmitUsersParams{ID: a.user, Email: a.Email, FirstName: a.FirstName, LastName: a.LastName}
	}
	return rows
}

func studentsOf(batch []admission) []gendb.AdmitStudentsParams {
	rows := make([]gendb.AdmitStudentsParams, len(batch))
	for i, a := range batch {
		rows[i] = gendb.AdmitStudentsParams{
			ID: a.student, UserID: a.user, InstitutionID: a.InstitutionId, AdmissionNumber: a.AdmissionNumber,
			FirstName: a.FirstName, LastName: a.LastName, DateOfBirth: a.DateOfBirth, Gender: (*string)(a.Gender),
			Phone: a.Phone, AadharSealed: a.aadhar.Sealed, AadharDigest: a.aadhar.Digest, AadharLast4: a.aadhar.Last4,
			AdmissionDate: orToday(a.AdmissionDate), Address: a.Address, BloodGroup: (*string)(a.BloodGroup),
			CustomFields: a.customFields(),
		}
	}
	return rows
}

func enrollmentsOf(batch []admission, places catalogue) []gendb.OpenEnrollmentsParams {
	rows := make([]gendb.OpenEnrollmentsParams, len(batch))
	for i, a := range batch {
		rows[i] = gendb.OpenEnrollmentsParams{
			ID: uuid.Must(uuid.NewV7()), StudentID: a.student, InstitutionID: a.InstitutionId,
			AcademicYearID: a.AcademicYearId, ClassID: a.ClassId, SectionID: a.SectionId, RollNumber: a.RollNumber,
			StartedOn: a.placement(places).from,
		}
	}
	return rows
}

func guardianRows(batch []admission) ([]gendb.CreateGuardiansParams, []gendb.LinkGuardiansParams) {
	var rows []gendb.CreateGuardiansParams
	var links []gendb.LinkGuardiansParams
	for _, a := range batch {
		for position, g := range guardiansOf(a.StudentAdmission) {
			id := uuid.Must(uuid.NewV7())
			rows = append(rows, newGuardian(id, g))
			links = append(links, gendb.LinkGuardiansParams{
				StudentID: a.student, GuardianID: id, Relationship: string(g.Relationship), IsPrimary: *g.IsPrimary,
				Position: int16(position),
			})
		}
	}
	return rows, links
}

func newGuardian(id uuid.UUID, g api.GuardianInput) gendb.CreateGuardiansParams {
	return gendb.CreateGuardiansParams{ID: id, FirstName: g.FirstName, LastName: g.LastName, Email: g.Email, Phone: g.Phone}
}

func createGuardians(ctx context.Context, q *db.Queries, rows []gendb.CreateGuardiansParams, links []gendb.LinkGuardiansParams) error {
	if err := run("guardians", q.CreateGuardians(ctx, rows), nowhere); err != nil {
		return err
	}
	return run("links of guardians", q.LinkGuardians(ctx, links), nowhere)
}
