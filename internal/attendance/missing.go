package attendance

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// sectionKey is the place of a section in a list by grade.
type sectionKey struct {
	GradeLevel             int32
	ClassName, SectionName string
	ID                     uuid.UUID
}

// inSession are the institutions that have school on a day, with their academic years.
type inSession struct{ institutions, years []uuid.UUID }

// ListMissingRegisters lists the sections that had school on a day and took no register.
func (h *Handler) ListMissingRegisters(ctx context.Context, request api.ListMissingRegistersRequestObject) (api.ListMissingRegistersResponseObject, error) {
	p := request.Params
	var open inSession
	data, info, err := page.List[sectionKey, gendb.ListMissingRegistersRow, api.MissingRegister]{
		Name:       "missing-registers",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    []any{p.Date, p.InstitutionId, p.ClassId},
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[sectionKey]) ([]gendb.ListMissingRegistersRow, error) {
			return missingRows(ctx, q, r, p, open)
		},
		Count: func(ctx context.Context, q *db.Queries) (_ int64, err error) {
			if open, err = openOn(ctx, q, p.Date, p.InstitutionId); err != nil {
				return 0, err
			}
			return q.CountMissingRegisters(ctx, gendb.CountMissingRegistersParams{
				InstitutionIds: open.institutions, AcademicYearIds: open.years, ClassID: p.ClassId, Date: p.Date, Most: page.CountLimit(),
			})
		},
		Key: func(row gendb.ListMissingRegistersRow) sectionKey {
			return sectionKey{row.GradeLevel, row.ClassName, row.SectionName, row.SectionID}
		},
		View: func(row gendb.ListMissingRegistersRow) api.MissingRegister { return missingView(row, p.Date) },

		InSteps: true, // the count asks the calendars, and the rows are by them
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListMissingRegisters200JSONResponse{Data: data, Page: info}, nil
}

// openOn asks the calendars of the institutions, by the same rule that a register is held to.
func openOn(ctx context.Context, q *db.Queries, date openapi_types.Date, institution *uuid.UUID) (inSession, error) {
	var open inSession
	calendars, err := q.CalendarsOn(ctx, gendb.CalendarsOnParams{Date: date, InstitutionID: institution})
	if err != nil {
		return open, fmt.Errorf("read the calendars: %w", err)
	}
	for _, c := range calendars {
		d, err := dayOf(c, date)
		if err != nil {
			return open, err
		}
		if len(d.faults()) == 0 {
			open.institutions, open.years = append(open.institutions, c.InstitutionID), append(open.years, c.AcademicYearID)
		}
	}
	return open, nil
}

func missingRows(ctx context.Context, q *db.Queries, r page.Request[sectionKey], p api.ListMissingRegistersParams, open inSession) ([]gendb.ListMissingRegistersRow, error) {
	params := gendb.ListMissingRegistersParams{
		InstitutionIds: open.institutions, AcademicYearIds: open.years, ClassID: p.ClassId, Date: p.Date,
		RowLimit: r.RowLimit(), RowOffset: r.RowOffset(),
	}
	if r.After != nil {
		params.AfterGradeLevel, params.AfterClassName = &r.After.GradeLevel, &r.After.ClassName
		params.AfterSectionName, params.AfterID = &r.After.SectionName, &r.After.ID
	}
	return q.ListMissingRegisters(ctx, params)
}

func missingView(row gendb.ListMissingRegistersRow, date openapi_types.Date) api.MissingRegister {
	return api.MissingRegister{
		InstitutionId: row.InstitutionID, ClassId: row.ClassID, ClassName: row.ClassName, SectionId: row.SectionID,
		SectionName: row.SectionName, Date: date,
	}
}
