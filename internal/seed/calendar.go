package seed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	openapi_types "github.com/oapi-codegen/runtime/types"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// span is some days, the first and the last included.
type span struct{ from, to openapi_types.Date }

func (s span) contains(day openapi_types.Date) bool {
	return !day.Before(s.from.Time) && !day.After(s.to.Time)
}

type event struct {
	name string
	span
}

var workingDays = []string{"monday", "tuesday", "wednesday", "thursday", "friday"}

// The calendar of the current year, in both institutions.
var (
	terms = []event{
		{"First term", span{yearStart, date(2026, 9, 30)}},
		{"Second term", span{date(2026, 10, 5), date(2027, 3, 31)}},
	}
	holidays = []event{
		{"Summer vacation", span{date(2026, 5, 1), date(2026, 6, 7)}},
		{"Independence Day", span{date(2026, 8, 15), date(2026, 8, 15)}},
		{"Founder's Day", span{date(2026, 8, 28), date(2026, 8, 28)}},
		{"Dussehra", span{date(2026, 10, 19), date(2026, 10, 20)}},
		{"Diwali", span{date(2026, 11, 9), date(2026, 11, 11)}},
		{"Christmas", span{date(2026, 12, 25), date(2027, 1, 1)}},
		{"Republic Day", span{date(2027, 1, 26), date(2027, 1, 26)}},
	}
)

func (w writer) calendars(ctx context.Context, q *db.Queries) error {
	for _, year := range []int{201, 203} {
		rows := gendb.AddTermsParams{AcademicYearID: numbered(year)}
		rows.Names, rows.StartDates, rows.EndDates = columns(terms)
		if err := q.AddTerms(ctx, rows); err != nil {
			return fmt.Errorf("terms: %w", err)
		}
		rows.Names, rows.StartDates, rows.EndDates = columns(holidays)
		if err := q.AddHolidays(ctx, gendb.AddHolidaysParams(rows)); err != nil {
			return fmt.Errorf("holidays: %w", err)
		}
	}
	return nil
}

func columns(events []event) (names []string, from, to []openapi_types.Date) {
	for _, e := range events {
		names, from, to = append(names, e.name), append(from, e.from), append(to, e.to)
	}
	return names, from, to
}

// schoolDays are the days of a span on which there is school.
func schoolDays(s span) []openapi_types.Date {
	var days []openapi_types.Date
	for day := s.from; !day.After(s.to.Time); day.Time = day.AddDate(0, 0, 1) {
		contains := func(e event) bool { return e.contains(day) }
		works := slices.Contains(workingDays, strings.ToLower(day.Weekday().String()))
		if works && slices.ContainsFunc(terms, contains) && !slices.ContainsFunc(holidays, contains) {
			days = append(days, day)
		}
	}
	return days
}
