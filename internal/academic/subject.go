package academic

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// ListSubjects lists subjects by name.
func (h *Handler) ListSubjects(ctx context.Context, request api.ListSubjectsRequestObject) (api.ListSubjectsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[nameKey, gendb.Subject, api.Subject]{
		Name:       "subjects",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[nameKey]) ([]gendb.Subject, error) {
			return subjectRows(ctx, q, r, p.InstitutionId)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountSubjects(ctx, p.InstitutionId, page.CountLimit())
		},
		Key:  func(row gendb.Subject) nameKey { return nameKey{row.Name, row.ID} },
		View: subjectView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListSubjects200JSONResponse{Data: data, Page: info}, nil
}

func subjectRows(ctx context.Context, q *db.Queries, r page.Request[nameKey], institution *uuid.UUID) ([]gendb.Subject, error) {
	params := gendb.ListSubjectsParams{InstitutionID: institution, RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
	if r.After != nil {
		params.AfterName, params.AfterID = &r.After.Name, &r.After.ID
	}
	return q.ListSubjects(ctx, params)
}

// CreateSubject adds a subject to an institution.
func (h *Handler) CreateSubject(ctx context.Context, request api.CreateSubjectRequestObject) (api.CreateSubjectResponseObject, error) {
	body := request.Body
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateSubjectResponseObject.VisitCreateSubjectResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateSubjectResponseObject, error) {
			row, err := q.CreateSubject(ctx, gendb.CreateSubjectParams{
				ID: uuid.Must(uuid.NewV7()), InstitutionID: body.InstitutionId,
				Name: body.Name, Code: body.Code, IsActive: *body.IsActive,
			})
			if err != nil {
				return nil, err
			}
			return api.CreateSubject201JSONResponse{
				Body:    subjectView(row),
				Headers: api.CreateSubject201ResponseHeaders{Location: "/v1/subjects/" + row.ID.String()},
			}, nil
		})
}

// GetSubject gets one subject.
func (h *Handler) GetSubject(ctx context.Context, request api.GetSubjectRequestObject) (api.GetSubjectResponseObject, error) {
	row, err := get(ctx, h.DB, (*db.Queries).GetSubject, request.SubjectId)
	if err != nil {
		return nil, err
	}
	return api.GetSubject200JSONResponse(subjectView(row)), nil
}

// UpdateSubject changes what a merge patch names. A subject stays in its institution.
func (h *Handler) UpdateSubject(ctx context.Context, request api.UpdateSubjectRequestObject) (api.UpdateSubjectResponseObject, error) {
	body := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := patch(ctx, h.DB, request.SubjectId, (*db.Queries).LockSubject,
		func(ctx context.Context, q *db.Queries, row gendb.Subject) (gendb.Subject, error) {
			return q.UpdateSubject(ctx, gendb.UpdateSubjectParams{
				ID:       row.ID,
				Name:     patched(body.Name, row.Name),
				Code:     patched(body.Code, row.Code),
				IsActive: patched(body.IsActive, row.IsActive),
			})
		})
	if err != nil {
		return nil, err
	}
	return api.UpdateSubject200JSONResponse(subjectView(row)), nil
}

func subjectView(row gendb.Subject) api.Subject {
	return api.Subject{
		Id: row.ID, InstitutionId: row.InstitutionID, Name: row.Name, Code: row.Code, IsActive: row.IsActive,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
