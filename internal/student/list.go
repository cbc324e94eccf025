package student

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// studentKey are the sort values of a student, for any of the orders.
type studentKey struct {
	LastName        string    `json:"l,omitempty"`
	FirstName       string    `json:"f,omitempty"`
	AdmissionNumber string    `json:"n,omitempty"`
	CreatedAt       time.Time `json:"c,omitzero"`
	ID              uuid.UUID `json:"id"`
}

// ListStudents lists and searches students.
func (h *Handler) ListStudents(ctx context.Context, request api.ListStudentsRequestObject) (api.ListStudentsResponseObject, error) {
	p := request.Params
	selection := p
	selection.Page, selection.Limit, selection.Cursor = nil, nil, nil
	filter := gendb.CountStudentsParams{
		InstitutionID: p.InstitutionId, ClassID: p.ClassId, SectionID: p.SectionId,
		Status: (*string)(p.Status), Pattern: containing(p.Q), Most: page.CountLimit(),
	}
	data, info, err := page.List[studentKey, gendb.StudentRecord, api.Student]{
		Name:       "students",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    selection,
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[studentKey]) ([]gendb.StudentRecord, error) {
			return listBy(ctx, q, *p.Sort, filter, wanted)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) { return q.CountStudents(ctx, filter) },
		Key:   keyFor(*p.Sort),
		View:  studentOf,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListStudents200JSONResponse{Data: data, Page: info}, nil
}

// listBy runs the query of an order; each order has one, so that each can have its index.
func listBy(ctx context.Context, q *db.Queries, sort api.ListStudentsParamsSort, f gendb.CountStudentsParams, wanted page.Request[studentKey]) ([]gendb.StudentRecord, error) {
	after := wanted.After
	switch sort {
	case api.ListStudentsParamsSortAdmissionNumber:
		arg := gendb.ListStudentsByAdmissionNumberParams{
			InstitutionID: f.InstitutionID, ClassID: f.ClassID, SectionID: f.SectionID, Status: f.Status, Pattern: f.Pattern,
			RowOffset: wanted.RowOffset(), RowLimit: wanted.RowLimit(),
		}
		if after != nil {
			arg.AfterID, arg.AfterAdmissionNumber = &after.ID, &after.AdmissionNumber
		}
		return q.ListStudentsByAdmissionNumber(ctx, arg)
	case api.ListStudentsParamsSortMinusCreatedAt:
		arg := gendb.ListStudentsByNewestParams{
			InstitutionID: f.InstitutionID, ClassID: f.ClassID, SectionID: f.SectionID, Status: f.Status, Pattern: f.Pattern,
			RowOffset: wanted.RowOffset(), RowLimit: wanted.RowLimit(),
		}
		if after != nil {
			arg.AfterID, arg.AfterCreatedAt = &after.ID, &after.CreatedAt
		}
		return q.ListStudentsByNewest(ctx, arg)
	default:
		arg := gendb.ListStudentsByNameParams{
			InstitutionID: f.InstitutionID, ClassID: f.ClassID, SectionID: f.SectionID, Status: f.Status, Pattern: f.Pattern,
			RowOffset: wanted.RowOffset(), RowLimit: wanted.RowLimit(),
		}
		if after != nil {
			arg.AfterID, arg.AfterLastName, arg.AfterFirstName = &after.ID, &after.LastName, &after.FirstName
		}
		return q.ListStudentsByName(ctx, arg)
	}
}

// keyFor takes the sort values of an order from a row.
func keyFor(sort api.ListStudentsParamsSort) func(gendb.StudentRecord) studentKey {
	return func(r gendb.StudentRecord) studentKey {
		switch sort {
		case api.ListStudentsParamsSortAdmissionNumber:
			return studentKey{ID: r.ID, AdmissionNumber: r.AdmissionNumber}
		case api.ListStudentsParamsSortMinusCreatedAt:
			return studentKey{ID: r.ID, CreatedAt: r.CreatedAt}
		default:
			return studentKey{ID: r.ID, LastName: r.LastName, FirstName: r.FirstName}
		}
	}
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// containing is the LIKE pattern of a search text, in which nothing is a wildcard.
func containing(q *string) *string {
	if q == nil {
		return nil
	}
	pattern := "%" + likeEscaper.Replace(*q) + "%"
	return &pattern
}
