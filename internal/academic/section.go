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

// ListSections lists sections by name.
func (h *Handler) ListSections(ctx context.Context, request api.ListSectionsRequestObject) (api.ListSectionsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[nameKey, gendb.Section, api.Section]{
		Name:       "sections",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[nameKey]) ([]gendb.Section, error) {
			return sectionRows(ctx, q, r, p.ClassId)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountSections(ctx, p.ClassId, page.CountLimit())
		},
		Key:  func(row gendb.Section) nameKey { return nameKey{row.Name, row.ID} },
		View: sectionView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListSections200JSONResponse{Data: data, Page: info}, nil
}

func sectionRows(ctx context.Context, q *db.Queries, r page.Request[nameKey], class *uuid.UUID) ([]gendb.Section, error) {
	params := gendb.ListSectionsParams{ClassID: class, RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
	if r.After != nil {
		params.AfterName, params.AfterID = &r.After.Name, &r.After.ID
	}
	return q.ListSections(ctx, params)
}

// CreateSection adds a section to a class.
func (h *Handler) CreateSection(ctx context.Context, request api.CreateSectionRequestObject) (api.CreateSectionResponseObject, error) {
	body := request.Body
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateSectionResponseObject.VisitCreateSectionResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateSectionResponseObject, error) {
			row, err := q.CreateSection(ctx, gendb.CreateSectionParams{
				ID: uuid.Must(uuid.NewV7()), ClassID: body.ClassId,
				Name: body.Name, Capacity: body.Capacity, IsActive: *body.IsActive,
			})
			if err != nil {
				return nil, err
			}
			return api.CreateSection201JSONResponse{
				Body:    sectionView(row),
				Headers: api.CreateSection201ResponseHeaders{Location: "/v1/sections/" + row.ID.String()},
			}, nil
		})
}

// GetSection gets one section.
func (h *Handler) GetSection(ctx context.Context, request api.GetSectionRequestObject) (api.GetSectionResponseObject, error) {
	row, err := get(ctx, h.DB, (*db.Queries).GetSection, request.SectionId)
	if err != nil {
		return nil, err
	}
	return api.GetSection200JSONResponse(sectionView(row)), nil
}

// UpdateSection changes what a merge patch names. A section stays in its class.
func (h *Handler) UpdateSection(ctx context.Context, request api.UpdateSectionRequestObject) (api.UpdateSectionResponseObject, error) {
	body := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := patch(ctx, h.DB, request.SectionId, (*db.Queries).LockSection,
		func(ctx context.Context, q *db.Queries, row gendb.Section) (gendb.Section, error) {
			return q.UpdateSection(ctx, gendb.UpdateSectionParams{
				ID:       row.ID,
				Name:     patched(body.Name, row.Name),
				Capacity: patched(body.Capacity, row.Capacity),
				IsActive: patched(body.IsActive, row.IsActive),
			})
		})
	if err != nil {
		return nil, err
	}
	return api.UpdateSection200JSONResponse(sectionView(row)), nil
}

func sectionView(row gendb.Section) api.Section {
	return api.Section{
		Id: row.ID, ClassId: row.ClassID, Name: row.Name, Capacity: row.Capacity, IsActive: row.IsActive,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
