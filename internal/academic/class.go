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

type classKey struct {
	GradeLevel int32
	Name       string
	ID         uuid.UUID
}

// ListClasses lists classes by grade and name.
func (h *Handler) ListClasses(ctx context.Context, request api.ListClassesRequestObject) (api.ListClassesResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[classKey, gendb.Class, api.SchoolClass]{
		Name:       "classes",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[classKey]) ([]gendb.Class, error) {
			return classRows(ctx, q, r, p.InstitutionId)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountClasses(ctx, p.InstitutionId, page.CountLimit())
		},
		Key:  func(row gendb.Class) classKey { return classKey{row.GradeLevel, row.Name, row.ID} },
		View: classView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListClasses200JSONResponse{Data: data, Page: info}, nil
}

func classRows(ctx context.Context, q *db.Queries, r page.Request[classKey], institution *uuid.UUID) ([]gendb.Class, error) {
	params := gendb.ListClassesParams{InstitutionID: institution, RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
	if r.After != nil {
		params.AfterGradeLevel, params.AfterName, params.AfterID = &r.After.GradeLevel, &r.After.Name, &r.After.ID
	}
	return q.ListClasses(ctx, params)
}

// CreateClass adds a class to an institution.
func (h *Handler) CreateClass(ctx context.Context, request api.CreateClassRequestObject) (api.CreateClassResponseObject, error) {
	body := request.Body
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateClassResponseObject.VisitCreateClassResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateClassResponseObject, error) {
			row, err := q.CreateClass(ctx, gendb.CreateClassParams{
				ID: uuid.Must(uuid.NewV7()), InstitutionID: body.InstitutionId,
				Name: body.Name, GradeLevel: body.GradeLevel, IsActive: *body.IsActive,
			})
			if err != nil {
				return nil, err
			}
			return api.CreateClass201JSONResponse{
				Body:    classView(row),
				Headers: api.CreateClass201ResponseHeaders{Location: "/v1/classes/" + row.ID.String()},
			}, nil
		})
}

// GetClass gets one class.
func (h *Handler) GetClass(ctx context.Context, request api.GetClassRequestObject) (api.GetClassResponseObject, error) {
	row, err := get(ctx, h.DB, (*db.Queries).GetClass, request.ClassId)
	if err != nil {
		return nil, err
	}
	return api.GetClass200JSONResponse(classView(row)), nil
}

// UpdateClass changes what a merge patch names. A class stays in its institution.
func (h *Handler) UpdateClass(ctx context.Context, request api.UpdateClassRequestObject) (api.UpdateClassResponseObject, error) {
	body := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := patch(ctx, h.DB, request.ClassId, (*db.Queries).LockClass,
		func(ctx context.Context, q *db.Queries, row gendb.Class) (gendb.Class, error) {
			return q.UpdateClass(ctx, gendb.UpdateClassParams{
				ID:         row.ID,
				Name:       patched(body.Name, row.Name),
				GradeLevel: patched(body.GradeLevel, row.GradeLevel),
				IsActive:   patched(body.IsActive, row.IsActive),
			})
		})
	if err != nil {
		return nil, err
	}
	return api.UpdateClass200JSONResponse(classView(row)), nil
}

func classView(row gendb.Class) api.SchoolClass {
	return api.SchoolClass{
		Id: row.ID, InstitutionId: row.InstitutionID, Name: row.Name, GradeLevel: row.GradeLevel, IsActive: row.IsActive,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
