package student

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/etag"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// WithdrawStudent closes the open enrollment.
func (h *Handler) WithdrawStudent(ctx context.Context, request api.WithdrawStudentRequestObject) (api.WithdrawStudentResponseObject, error) {
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.WithdrawStudentResponseObject.VisitWithdrawStudentResponse,
		func(ctx context.Context, q *db.Queries) (api.WithdrawStudentResponseObject, error) {
			record, err := change(ctx, q, request.StudentId, request.Params.IfMatch, func(row gendb.LockStudentRow) error {
				return withdraw(ctx, q, row, *request.Body)
			})
			if err != nil {
				return nil, err
			}
			return api.WithdrawStudent200JSONResponse{
				Body: studentOf(record), Headers: api.WithdrawStudent200ResponseHeaders{ETag: etag.Of(record.Version)},
			}, nil
		})
}

func withdraw(ctx context.Context, q *db.Queries, row gendb.LockStudentRow, w api.Withdrawal) error {
	closed, err := q.CloseEnrollment(ctx, gendb.CloseEnrollmentParams{
		StudentID: row.ID, Status: string(api.EnrollmentStatusWithdrawn),
		EndedOn: new(orToday(w.EndedOn)), Reason: w.Reason,
	})
	if err != nil {
		return fmt.Errorf("close the enrollment: %w", err)
	}
	if closed == 0 {
		return apperr.New(apperr.Conflict, "The student has no open enrollment to withdraw from.")
	}
	if err := move(ctx, q, row, row.InstitutionID, row.AdmissionNumber, api.StudentStatusWithdrawn); err != nil {
		return err
	}
	return emit(ctx, q, api.EventTypeStudentWithdrawn, row.ID)
}

// TransferStudent closes the open enrollment, if there is one, and opens the next.
func (h *Handler) TransferStudent(ctx context.Context, request api.TransferStudentRequestObject) (api.TransferStudentResponseObject, error) {
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.TransferStudentResponseObject.VisitTransferStudentResponse,
		func(ctx context.Context, q *db.Queries) (api.TransferStudentResponseObject, error) {
			record, err := change(ctx, q, request.StudentId, request.Params.IfMatch, func(row gendb.LockStudentRow) error {
				return transfer(ctx, q, row, *request.Body)
			})
			if err != nil {
				return nil, err
			}
			return api.TransferStudent200JSONResponse{
				Body: studentOf(record), Headers: api.TransferStudent200ResponseHeaders{ETag: etag.Of(record.Version)},
			}, nil
		})
}

// change locks a student, lets work change it, and reads it back.
func change(ctx context.Context, q *db.Queries, id uuid.UUID, ifMatch *string, work func(gendb.LockStudentRow) error) (gendb.StudentRecord, error) {
	row, err := lockForChange(ctx, q, id, ifMatch)
	if err != nil {
		return gendb.StudentRecord{}, err
	}
	if err := work(row); err != nil {
		return gendb.StudentRecord{}, err
	}
	return q.GetStudent(ctx, id)
}

func transfer(ctx context.Context, q *db.Queries, row gendb.LockStudentRow, to api.Transfer) error {
	institution, number := row.InstitutionID, row.AdmissionNumber
	set(&institution, to.InstitutionId)
	set(&number, to.AdmissionNumber)
	from, err := checkTransfer(ctx, q, row.ID, institution, to)
	if err != nil {
		return err
	}
	if err := closeForTransfer(ctx, q, row.ID, from, to.Reason); err != nil {
		return err
	}
	if err := move(ctx, q, row, institution, number, api.StudentStatusActive); err != nil {
		return err
	}
	if err := run("the enrollment", q.OpenEnrollments(ctx, []gendb.OpenEnrollmentsParams{{
		ID: uuid.Must(uuid.NewV7()), StudentID: row.ID, InstitutionID: institution, AcademicYearID: to.AcademicYearId,
		ClassID: to.ClassId, SectionID: to.SectionId, RollNumber: to.RollNumber, StartedOn: from,
	}}), nowhere); err != nil {
		return err
	}
	return emit(ctx, q, api.EventTypeStudentTransferred, row.ID)
}

// closeForTransfer ends the open enrollment. Where there is none, the next one must not reach back into the last.
func closeForTransfer(ctx context.Context, q *db.Queries, student uuid.UUID, from openapi_types.Date, reason *string) error {
	closed, err := q.CloseEnrollment(ctx, gendb.CloseEnrollmentParams{
		StudentID: student, Status: string(api.EnrollmentStatusTransferred), EndedOn: &from, Reason: reason,
	})
	if err != nil {
		return onStartedOn(err)
	}
	if closed > 0 {
		return nil
	}
	ended, err := q.LastDayEnrolled(ctx, student)
	if err != nil {
		return fmt.Errorf("look for the last enrollment: %w", err)
	}
	return apperr.InvalidFields(returnFaults(ended, from))
}

// onStartedOn names the field that a transfer's body has: the day the old enrollment ends is the day the new one starts.
func onStartedOn(err error) error {
	known, ok := errors.AsType[*apperr.Error](db.Translate(err))
	if !ok || len(known.Fields) == 0 {
		return fmt.Errorf("close the enrollment: %w", err)
	}
	moved := *known
	moved.Fields = []apperr.Field{apperr.BodyField(known.Fields[0].Code, "Must not be before the present enrollment started", "startedOn")}
	return &moved
}

// checkTransfer holds the next place against the rules of an admission, and gives its first day.
func checkTransfer(ctx context.Context, q *db.Queries, student, institution uuid.UUID, to api.Transfer) (openapi_types.Date, error) {
	if *to.Overbook && !auth.From(ctx).MayIn(overbook, institution) {
		return openapi_types.Date{}, errMayNotOverbook
	}
	rows, err := q.PlacesForAdmission(ctx, gendb.PlacesForAdmissionParams{
		InstitutionIds: []uuid.UUID{institution}, AcademicYearIds: []uuid.UUID{to.AcademicYearId},
		ClassIds: []uuid.UUID{to.ClassId}, SectionIds: []uuid.UUID{to.SectionId},
	})
	if err != nil {
		return openapi_types.Date{}, fmt.Errorf("read the places: %w", err)
	}
	places := newCatalogue(rows)
	p := placement{
		institution: institution, year: to.AcademicYearId, class: to.ClassId, section: to.SectionId,
		from: places.firstDay(to.AcademicYearId, orToday(to.StartedOn)),
	}
	if err := apperr.InvalidFields(places.faults(p)); err != nil {
		return p.from, err
	}
	return p.from, checkPlace(ctx, q, places, student, seat{p.year, p.section}, *to.Overbook)
}

func move(ctx context.Context, q *db.Queries, row gendb.LockStudentRow, institution uuid.UUID, number string, status api.StudentStatus) error {
	if err := q.MoveStudent(ctx, gendb.MoveStudentParams{
		ID: row.ID, InstitutionID: institution, AdmissionNumber: number, Status: string(status),
	}); err != nil {
		return fmt.Errorf("move the student: %w", err)
	}
	return nil
}

// enrollmentKey are the sort values of an enrollment.
type enrollmentKey struct {
	StartedOn openapi_types.Date `json:"s"`
	ID        uuid.UUID          `json:"id"`
}

// ListEnrollments lists where a student was, the latest first.
func (h *Handler) ListEnrollments(ctx context.Context, request api.ListEnrollmentsRequestObject) (api.ListEnrollmentsResponseObject, error) {
	p, student := request.Params, request.StudentId
	data, info, err := page.List[enrollmentKey, gendb.Enrollment, api.Enrollment]{
		Name:       "enrollments",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    student,
		Parent: func(ctx context.Context, q *db.Queries) error {
			_, err := q.StudentExists(ctx, student)
			return err
		},
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[enrollmentKey]) ([]gendb.Enrollment, error) {
			return enrollmentRows(ctx, q, student, wanted)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountEnrollments(ctx, student, page.CountLimit())
		},
		Key:  func(e gendb.Enrollment) enrollmentKey { return enrollmentKey{StartedOn: e.StartedOn, ID: e.ID} },
		View: enrollmentOf,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListEnrollments200JSONResponse{Data: data, Page: info}, nil
}

func enrollmentRows(ctx context.Context, q *db.Queries, student uuid.UUID, wanted page.Request[enrollmentKey]) ([]gendb.Enrollment, error) {
	arg := gendb.ListEnrollmentsParams{StudentID: student, RowOffset: wanted.RowOffset(), RowLimit: wanted.RowLimit()}
	if wanted.After != nil {
		arg.AfterID, arg.AfterStartedOn = &wanted.After.ID, &wanted.After.StartedOn
	}
	return q.ListEnrollments(ctx, arg)
}

func enrollmentOf(e gendb.Enrollment) api.Enrollment {
	return api.Enrollment{
		Id: e.ID, StudentId: e.StudentID, InstitutionId: e.InstitutionID, AcademicYearId: e.AcademicYearID,
		ClassId: e.ClassID, SectionId: e.SectionID, RollNumber: e.RollNumber, Status: api.EnrollmentStatus(e.Status),
		StartedOn: e.StartedOn, EndedOn: e.EndedOn, Reason: e.Reason,
	}
}
