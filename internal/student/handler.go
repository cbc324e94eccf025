// Package student has the operations of the tag student: admission, records, enrollments and guardians.
//
// Each operation is one transaction. admit.go writes admissions, one or a hundred by the same code; rules.go decides, on
// plain values, what may be admitted where; the rest maps rows to the API's types.
package student

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/etag"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// Handler has the operations of the tag student.
type Handler struct {
	DB       *db.DB
	Contract *contract.Contract
	// Box seals national ids.
	Box *seal.Box
}

// GetStudent reads one student, or says that nothing has changed since the client's ETag.
func (h *Handler) GetStudent(ctx context.Context, request api.GetStudentRequestObject) (api.GetStudentResponseObject, error) {
	record, err := db.Read(ctx, h.DB, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) (gendb.StudentRecord, error) {
		return q.GetStudent(ctx, request.StudentId)
	})
	if err != nil {
		return nil, err
	}
	tag := etag.Of(record.Version)
	if request.Params.IfNoneMatch != nil && etag.MatchesWeakly(*request.Params.IfNoneMatch, tag) {
		return api.GetStudent304Response{Headers: api.GetStudent304ResponseHeaders{ETag: tag}}, nil
	}
	return api.GetStudent200JSONResponse{
		Body: studentOf(record), Headers: api.GetStudent200ResponseHeaders{ETag: tag},
	}, nil
}

// lockForChange locks the student and holds it against the client's If-Match.
func lockForChange(ctx context.Context, q *db.Queries, id uuid.UUID, ifMatch *string) (gendb.LockStudentRow, error) {
	row, err := q.LockStudent(ctx, id)
	if err != nil {
		return row, fmt.Errorf("lock the student: %w", err)
	}
	if ifMatch != nil && !etag.MatchesStrongly(*ifMatch, etag.Of(row.Version)) {
		return row, apperr.New(apperr.PreconditionFailed, "The student has changed since it was read. Read it again.")
	}
	return row, nil
}

func studentOf(r gendb.StudentRecord) api.Student {
	return api.Student{
		Id: r.ID, InstitutionId: r.InstitutionID, UserId: r.UserID, AdmissionNumber: r.AdmissionNumber,
		FirstName: r.FirstName, LastName: r.LastName, DateOfBirth: r.DateOfBirth, Gender: (*api.Gender)(r.Gender),
		Email: r.Email, Phone: r.Phone, AadharNumber: maskedAadhar(r.AadharLast4), AdmissionDate: r.AdmissionDate,
		Address: r.Address, BloodGroup: (*api.BloodGroup)(r.BloodGroup), CustomFields: r.CustomFields,
		Status: api.StudentStatus(r.Status), Enrollment: openEnrollmentOf(r), CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

// openEnrollmentOf is the current enrollment of a record, nil when there is none.
func openEnrollmentOf(r gendb.StudentRecord) *api.Enrollment {
	if r.EnrollmentID == nil {
		return nil
	}
	return &api.Enrollment{
		Id: *r.EnrollmentID, StudentId: r.ID, InstitutionId: *r.EnrollmentInstitutionID, AcademicYearId: *r.AcademicYearID,
		ClassId: *r.ClassID, SectionId: *r.SectionID, RollNumber: r.RollNumber,
		Status: api.EnrollmentStatusActive, StartedOn: *r.StartedOn,
	}
}
