package academic

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
)

// GetCalendar gets the terms and holidays of an academic year.
func (h *Handler) GetCalendar(ctx context.Context, request api.GetCalendarRequestObject) (api.GetCalendarResponseObject, error) {
	opts := db.Options{ReadOnly: true, Isolation: db.RepeatableRead} // terms and holidays of the same moment
	calendar, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), opts, func(ctx context.Context, q *db.Queries) (api.Calendar, error) {
		if _, err := q.GetAcademicYear(ctx, request.AcademicYearId); err != nil {
			return api.Calendar{}, err
		}
		return readCalendar(ctx, q, request.AcademicYearId)
	})
	if err != nil {
		return nil, err
	}
	return api.GetCalendar200JSONResponse(calendar), nil
}

// ReplaceCalendar makes the given terms and holidays those of an academic year.
func (h *Handler) ReplaceCalendar(ctx context.Context, request api.ReplaceCalendarRequestObject) (api.ReplaceCalendarResponseObject, error) {
	terms, holidays := spansOf(*request.Body)
	calendar, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (api.Calendar, error) {
		year, err := q.LockAcademicYear(ctx, request.AcademicYearId)
		if err != nil {
			return api.Calendar{}, err
		}
		faults := calendarFaults(span{start: year.StartDate, end: year.EndDate}, terms, holidays)
		if err := apperr.InvalidFields(faults); err != nil {
			return api.Calendar{}, err
		}
		if err := replaceCalendar(ctx, q, year.ID, terms, holidays); err != nil {
			return api.Calendar{}, err
		}
		return readCalendar(ctx, q, year.ID)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceCalendar200JSONResponse(calendar), nil
}

func spansOf(body api.CalendarReplacement) (terms, holidays []span) {
	for _, t := range body.Terms {
		terms = append(terms, span{t.Name, t.StartDate, t.EndDate})
	}
	for _, h := range body.Holidays {
		holidays = append(holidays, span{h.Name, h.StartDate, patched(h.EndDate, h.StartDate)})
	}
	return terms, holidays
}

func replaceCalendar(ctx context.Context, q *db.Queries, year uuid.UUID, terms, holidays []span) error {
	if err := q.RemoveTerms(ctx, year); err != nil {
		return fmt.Errorf("remove terms: %w", err)
	}
	if err := q.RemoveHolidays(ctx, year); err != nil {
		return fmt.Errorf("remove holidays: %w", err)
	}
	rows := gendb.AddTermsParams{AcademicYearID: year}
	rows.Names, rows.StartDates, rows.EndDates = columns(terms)
	if err := q.AddTerms(ctx, rows); err != nil {
		return fmt.Errorf("add terms: %w", err)
	}
	rows.Names, rows.StartDates, rows.EndDates = columns(holidays)
	if err := q.AddHolidays(ctx, gendb.AddHolidaysParams(rows)); err != nil {
		return fmt.Errorf("add holidays: %w", err)
	}
	return nil
}

// columns are spans as the arrays that a query takes.
func columns(spans []span) (names []string, starts, ends []openapi_types.Date) {
	for _, s := range spans {
		names, starts, ends = append(names, s.name), append(starts, s.start), append(ends, s.end)
	}
	return names, starts, ends
}

func readCalendar(ctx context.Context, q *db.Queries, year uuid.UUID) (api.Calendar, error) {
	c := api.Calendar{AcademicYearId: year, Terms: []api.Term{}, Holidays: []api.Holiday{}}
	terms, err := q.ListTerms(ctx, year)
	if err != nil {
		return c, fmt.Errorf("list terms: %w", err)
	}
	holidays, err := q.ListHolidays(ctx, year)
	if err != nil {
		return c, fmt.Errorf("list holidays: %w", err)
	}
	for _, t := range terms {
		c.Terms = append(c.Terms, api.Term{Name: t.Name, StartDate: t.StartDate, EndDate: t.EndDate})
	}
	for _, d := range holidays {
		c.Holidays = append(c.Holidays, api.Holiday{Name: d.Name, StartDate: d.StartDate, EndDate: d.EndDate})
	}
	return c, nil
}
