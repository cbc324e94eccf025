// Package exam has the operations of the tag exam: exams with their papers, results, what is published of them, and the
// grading scales.
//
// An exam is that of one class in one year. It goes from draft to scheduled, completed and published (lifecycle.go); its
// papers, one a subject, are set before there are results (paper.go); results come in mark sheets, a section and a paper
// each (result.go). Publishing reads everything under one lock, computes it in memory and writes report cards, which
// never change; a correction writes the next version of all of them (publish.go). What is computed is in rules.go and
// card.go, on plain values; docs/exams.md says it to people.
//
// Marks are decimal.Decimal from the request to the column, which is numeric, and back: exact, and rounded nowhere but in
// rules.go.
package exam

import (
	"context"
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

// Handler has the operations of the tag exam.
type Handler struct {
	DB *db.DB
}

// examKey is the place of an exam in a list: the latest first.
type examKey struct {
	StartDate openapi_types.Date
	ID        uuid.UUID
}

// ListExams lists exams, the latest first.
func (h *Handler) ListExams(ctx context.Context, request api.ListExamsRequestObject) (api.ListExamsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[examKey, gendb.Exam, api.Exam]{
		Name:       "exams",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[examKey]) ([]gendb.Exam, error) {
			return examRows(ctx, q, r, p)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountExams(ctx, gendb.CountExamsParams{
				InstitutionID: p.InstitutionId, AcademicYearID: p.AcademicYearId, ClassID: p.ClassId, Status: (*string)(p.Status),
				Most: page.CountLimit(),
			})
		},
		Key:  func(row gendb.Exam) examKey { return examKey{row.StartDate, row.ID} },
		View: examView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListExams200JSONResponse{Data: data, Page: info}, nil
}

func examRows(ctx context.Context, q *db.Queries, r page.Request[examKey], p api.ListExamsParams) ([]gendb.Exam, error) {
	arg := gendb.ListExamsParams{
		InstitutionID: p.InstitutionId, AcademicYearID: p.AcademicYearId, ClassID: p.ClassId, Status: (*string)(p.Status),
		RowLimit: r.RowLimit(), RowOffset: r.RowOffset(),
	}
	if r.After != nil {
		arg.AfterStartDate, arg.AfterID = &r.After.StartDate, &r.After.ID
	}
	return q.ListExams(ctx, arg)
}

// CreateExam adds a draft.
func (h *Handler) CreateExam(ctx context.Context, request api.CreateExamRequestObject) (api.CreateExamResponseObject, error) {
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateExamResponseObject.VisitCreateExamResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateExamResponseObject, error) {
			row, err := create(ctx, q, *request.Body)
			if err != nil {
				return nil, err
			}
			return api.CreateExam201JSONResponse{
				Body:    examView(row),
				Headers: api.CreateExam201ResponseHeaders{Location: "/v1/exams/" + row.ID.String(), ETag: etag.Of(row.Version)},
			}, nil
		})
}

func create(ctx context.Context, q *db.Queries, in api.ExamCreate) (gendb.Exam, error) {
	places, err := q.PlaceOfExam(ctx, in.ClassId, in.AcademicYearId)
	if err != nil {
		return gendb.Exam{}, fmt.Errorf("read the class and the year: %w", err)
	}
	class, year := classAndYear(places)
	if err := apperr.InvalidFields(append(placeFaults(class, year), dayFaults(year, in.StartDate, in.EndDate)...)); err != nil {
		return gendb.Exam{}, err
	}
	return q.CreateExam(ctx, gendb.CreateExamParams{
		ID: uuid.Must(uuid.NewV7()), InstitutionID: class.InstitutionID, AcademicYearID: in.AcademicYearId, ClassID: in.ClassId,
		Name: in.Name, StartDate: in.StartDate, EndDate: in.EndDate,
	})
}

// GetExam gets one exam.
func (h *Handler) GetExam(ctx context.Context, request api.GetExamRequestObject) (api.GetExamResponseObject, error) {
	row, err := db.Read(ctx, h.DB, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) (gendb.Exam, error) {
		return q.GetExam(ctx, request.ExamId)
	})
	if err != nil {
		return nil, err
	}
	return api.GetExam200JSONResponse{Body: examView(row), Headers: api.GetExam200ResponseHeaders{ETag: etag.Of(row.Version)}}, nil
}

// DeleteExam deletes a draft without results, with its papers.
func (h *Handler) DeleteExam(ctx context.Context, request api.DeleteExamRequestObject) (api.DeleteExamResponseObject, error) {
	err := h.DB.InTx(ctx, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		return remove(ctx, q, request.ExamId)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteExam204Response{}, nil
}

func remove(ctx context.Context, q *db.Queries, id uuid.UUID) error {
	row, err := q.LockExam(ctx, id)
	if err != nil {
		return err
	}
	results, err := q.CountResults(ctx, id)
	if err != nil {
		return fmt.Errorf("count the results: %w", err)
	}
	if err := refuseDeletion(api.ExamStatus(row.Status), results); err != nil {
		return err
	}
	if err := replacePapers(ctx, q, row, nil); err != nil {
		return err
	}
	return q.DeleteExam(ctx, id)
}

func examView(row gendb.Exam) api.Exam {
	return api.Exam{
		Id: row.ID, InstitutionId: row.InstitutionID, AcademicYearId: row.AcademicYearID, ClassId: row.ClassID, Name: row.Name,
		StartDate: row.StartDate, EndDate: row.EndDate, Status: api.ExamStatus(row.Status), CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
