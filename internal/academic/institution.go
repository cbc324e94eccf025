package academic

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// ListInstitutions lists the schools and campuses of the group by name.
func (h *Handler) ListInstitutions(ctx context.Context, request api.ListInstitutionsRequestObject) (api.ListInstitutionsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[nameKey, gendb.Institution, api.Institution]{
		Name:       "institutions",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows:       institutionRows,
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountInstitutions(ctx, page.CountLimit())
		},
		Key:  func(row gendb.Institution) nameKey { return nameKey{row.Name, row.ID} },
		View: institutionView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListInstitutions200JSONResponse{Data: data, Page: info}, nil
}

func institutionRows(ctx context.Context, q *db.Queries, r page.Request[nameKey]) ([]gendb.Institution, error) {
	params := gendb.ListInstitutionsParams{RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
	if r.After != nil {
		params.AfterName, params.AfterID = &r.After.Name, &r.After.ID
	}
	return q.ListInstitutions(ctx, params)
}

// CreateInstitution adds a school or campus to the group.
func (h *Handler) CreateInstitution(ctx context.Context, request api.CreateInstitutionRequestObject) (api.CreateInstitutionResponseObject, error) {
	body := request.Body
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateInstitutionResponseObject.VisitCreateInstitutionResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateInstitutionResponseObject, error) {
			row, err := q.CreateInstitution(ctx, gendb.CreateInstitutionParams{
				ID: uuid.Must(uuid.NewV7()), Name: body.Name, Code: body.Code, TimeZone: *body.TimeZone,
				WorkingDays: workingDaysAfter(body.WorkingDays, nil), IsActive: *body.IsActive,
			})
			if err != nil {
				return nil, err
			}
			return api.CreateInstitution201JSONResponse{
				Body:    institutionView(row),
				Headers: api.CreateInstitution201ResponseHeaders{Location: "/v1/institutions/" + row.ID.String()},
			}, nil
		})
}

// GetInstitution gets one institution.
func (h *Handler) GetInstitution(ctx context.Context, request api.GetInstitutionRequestObject) (api.GetInstitutionResponseObject, error) {
	row, err := get(ctx, h.DB, (*db.Queries).GetInstitution, request.InstitutionId)
	if err != nil {
		return nil, err
	}
	return api.GetInstitution200JSONResponse(institutionView(row)), nil
}

// UpdateInstitution changes what a merge patch names.
func (h *Handler) UpdateInstitution(ctx context.Context, request api.UpdateInstitutionRequestObject) (api.UpdateInstitutionResponseObject, error) {
	body := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := patch(ctx, h.DB, request.InstitutionId, (*db.Queries).LockInstitution,
		func(ctx context.Context, q *db.Queries, row gendb.Institution) (gendb.Institution, error) {
			return q.UpdateInstitution(ctx, gendb.UpdateInstitutionParams{
				ID:          row.ID,
				Name:        patched(body.Name, row.Name),
				Code:        patched(body.Code, row.Code),
				TimeZone:    patched(body.TimeZone, row.TimeZone),
				WorkingDays: workingDaysAfter(body.WorkingDays, row.WorkingDays),
				IsActive:    patched(body.IsActive, row.IsActive),
			})
		})
	if err != nil {
		return nil, err
	}
	return api.UpdateInstitution200JSONResponse(institutionView(row)), nil
}

// workingDaysAfter are the days that a request names, or those before.
func workingDaysAfter(days *[]api.Weekday, before []string) []string {
	if days == nil {
		return before
	}
	return inOrder(*days)
}

// inOrder are days of the week as they are stored, from Monday.
func inOrder(days []api.Weekday) []string {
	var sorted []string
	for _, day := range week {
		if slices.Contains(days, day) {
			sorted = append(sorted, string(day))
		}
	}
	return sorted
}

var week = []api.Weekday{api.WeekdayMonday, api.WeekdayTuesday, api.WeekdayWednesday, api.WeekdayThursday, api.WeekdayFriday, api.WeekdaySaturday, api.WeekdaySunday}

func weekdays(stored []string) []api.Weekday {
	days := make([]api.Weekday, len(stored))
	for i, day := range stored {
		days[i] = api.Weekday(day)
	}
	return days
}

func institutionView(row gendb.Institution) api.Institution {
	return api.Institution{
		Id: row.ID, Name: row.Name, Code: row.Code, TimeZone: row.TimeZone, WorkingDays: weekdays(row.WorkingDays), IsActive: row.IsActive,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
