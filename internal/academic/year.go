package academic

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/page"
)

type yearKey struct {
	StartDate openapi_types.Date
	ID        uuid.UUID
}

// ListAcademicYears lists academic years, the latest first.
func (h *Handler) ListAcademicYears(ctx context.Context, request api.ListAcademicYearsRequestObject) (api.ListAcademicYearsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[yearKey, gendb.AcademicYear, api.AcademicYear]{
		Name:       "academic-years",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[yearKey]) ([]gendb.AcademicYear, error) {
			return yearRows(ctx, q, r, p.InstitutionId)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountAcademicYears(ctx, p.InstitutionId, page.CountLimit())
		},
		Key:  func(row gendb.AcademicYear) yearKey { return yearKey{row.StartDate, row.ID} },
		View: yearView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListAcademicYears200JSONResponse{Data: data, Page: info}, nil
}

func yearRows(ctx context.Context, q *db.Queries, r page.Request[yearKey], institution *uuid.UUID) ([]gendb.AcademicYear, error) {
	params := gendb.ListAcademicYearsParams{InstitutionID: institution, RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
	if r.After != nil {
		params.AfterStartDate, params.AfterID = &r.After.StartDate, &r.After.ID
	}
	return q.ListAcademicYears(ctx, params)
}

// CreateAcademicYear adds a year to an institution.
func (h *Handler) CreateAcademicYear(ctx context.Context, request api.CreateAcademicYearRequestObject) (api.CreateAcademicYearResponseObject, error) {
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateAcademicYearResponseObject.VisitCreateAcademicYearResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateAcademicYearResponseObject, error) {
			row, err := createYear(ctx, q, request.Body)
			if err != nil {
				return nil, err
			}
			return api.CreateAcademicYear201JSONResponse{
				Body:    yearView(row),
				Headers: api.CreateAcademicYear201ResponseHeaders{Location: "/v1/academic-years/" + row.ID.String()},
			}, nil
		})
}

func createYear(ctx context.Context, q *db.Queries, body *api.AcademicYearCreate) (gendb.AcademicYear, error) {
	id := uuid.Must(uuid.NewV7())
	if *body.IsCurrent {
		if err := endTurn(ctx, q, body.InstitutionId, id); err != nil {
			return gendb.AcademicYear{}, err
		}
	}
	return q.CreateAcademicYear(ctx, gendb.CreateAcademicYearParams{
		ID: id, InstitutionID: body.InstitutionId, Name: body.Name, StartDate: body.StartDate, EndDate: body.EndDate,
		IsCurrent: *body.IsCurrent, IsActive: *body.IsActive,
	})
}

// GetAcademicYear gets one academic year.
func (h *Handler) GetAcademicYear(ctx context.Context, request api.GetAcademicYearRequestObject) (api.GetAcademicYearResponseObject, error) {
	row, err := get(ctx, h.DB, (*db.Queries).GetAcademicYear, request.AcademicYearId)
	if err != nil {
		return nil, err
	}
	return api.GetAcademicYear200JSONResponse(yearView(row)), nil
}

// UpdateAcademicYear changes what a merge patch names. A year stays in its institution.
func (h *Handler) UpdateAcademicYear(ctx context.Context, request api.UpdateAcademicYearRequestObject) (api.UpdateAcademicYearResponseObject, error) {
	body := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.AcademicYear, error) {
		return updateYear(ctx, q, request.AcademicYearId, body)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateAcademicYear200JSONResponse(yearView(row)), nil
}

func updateYear(ctx context.Context, q *db.Queries, id uuid.UUID, body *api.AcademicYearPatch) (gendb.AcademicYear, error) {
	row, err := lockYear(ctx, q, id, patched(body.IsCurrent, false))
	if err != nil {
		return row, err
	}
	if err := checkDays(ctx, q, id, patched(body.StartDate, row.StartDate), patched(body.EndDate, row.EndDate)); err != nil {
		return row, err
	}
	return q.UpdateAcademicYear(ctx, gendb.UpdateAcademicYearParams{
		ID:        id,
		Name:      patched(body.Name, row.Name),
		StartDate: patched(body.StartDate, row.StartDate),
		EndDate:   patched(body.EndDate, row.EndDate),
		IsCurrent: patched(body.IsCurrent, row.IsCurrent),
		IsActive:  patched(body.IsActive, row.IsActive),
	})
}

// checkDays refuses a first or last day that would leave a term, a holiday or a register outside the year.
func checkDays(ctx context.Context, q *db.Queries, id uuid.UUID, start, end openapi_types.Date) error {
	outside, err := q.DaysOutside(ctx, gendb.DaysOutsideParams{ID: id, StartDate: start, EndDate: end})
	if err != nil {
		return fmt.Errorf("look for days outside the year: %w", err)
	}
	var faults []apperr.Field
	for _, days := range outside {
		if days.StartDate.Before(start.Time) {
			faults = append(faults, apperr.BodyField("inUse", "There is "+days.Kind+" before it: "+days.StartDate.String(), "startDate"))
		}
		if days.EndDate.After(end.Time) {
			faults = append(faults, apperr.BodyField("inUse", "There is "+days.Kind+" after it: "+days.EndDate.String(), "endDate"))
		}
	}
	return apperr.ConflictFields(faults)
}

// lockYear locks a year. One that becomes current is locked after the others of its institution: two requests that lock
// their own year first and then each other's would never get on.
func lockYear(ctx context.Context, q *db.Queries, id uuid.UUID, becomesCurrent bool) (gendb.AcademicYear, error) {
	if becomesCurrent {
		year, err := q.GetAcademicYear(ctx, id) // only for its institution, which never changes
		if err != nil {
			return year, err
		}
		if err := endTurn(ctx, q, year.InstitutionID, id); err != nil {
			return year, err
		}
	}
	return q.LockAcademicYear(ctx, id)
}

// endTurn ends the turn of an institution's current year, unless that is the next one already. An institution that does
// not exist is no error here: the year's foreign key names the field.
func endTurn(ctx context.Context, q *db.Queries, institution, next uuid.UUID) error {
	if err := q.LockTurnOfInstitution(ctx, institution); err != nil {
		return err
	}
	return q.EndCurrentAcademicYear(ctx, institution, next)
}

func yearView(row gendb.AcademicYear) api.AcademicYear {
	return api.AcademicYear{
		Id: row.ID, InstitutionId: row.InstitutionID, Name: row.Name, StartDate: row.StartDate, EndDate: row.EndDate,
		IsCurrent: row.IsCurrent, IsActive: row.IsActive, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
