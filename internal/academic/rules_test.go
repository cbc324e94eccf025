package academic

import (
	"testing"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func dayOfYear(n int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n)}
}

// wholeYear has the days from 0 to 364.
var wholeYear = span{"2026-27", dayOfYear(0), dayOfYear(364)}

func days(from, to int) span { return span{"", dayOfYear(from), dayOfYear(to)} }

func TestCalendarFaults_namesEveryOneAtItsPlace(t *testing.T) {
	t.Parallel()
	type fault struct{ field, code string }
	for name, c := range map[string]struct {
		terms, holidays []span
		want            []fault
	}{
		"nothing":                           {},
		"terms one after the other":         {terms: []span{days(183, 364), days(0, 182)}},
		"a holiday of one day":              {holidays: []span{days(9, 9)}},
		"holidays that overlap":             {holidays: []span{days(9, 20), days(12, 12)}},
		"a term before the year":            {terms: []span{days(-1, 5)}, want: []fault{{"terms[0].startDate", "outsideYear"}}},
		"a holiday after the year":          {holidays: []span{days(1, 1), days(364, 365)}, want: []fault{{"holidays[1].endDate", "outsideYear"}}},
		"a term that ends before its start": {terms: []span{days(5, 4)}, want: []fault{{"terms[0].endDate", "order"}}},
		"terms that share a day":            {terms: []span{days(10, 20), days(0, 10)}, want: []fault{{"terms[0].startDate", "overlap"}}},
		"a term within another":             {terms: []span{days(0, 99), days(5, 6), days(50, 60)}, want: []fault{{"terms[1].startDate", "overlap"}, {"terms[2].startDate", "overlap"}}},
		"the same term twice":               {terms: []span{days(0, 9), days(0, 9)}, want: []fault{{"terms[1].startDate", "overlap"}}},
	} {
		var got []fault
		for _, f := range calendarFaults(wholeYear, c.terms, c.holidays) {
			got = append(got, fault{f.Field, f.Code})
			assert.Equal(t, apperr.Body, f.In, name)
		}
		assert.Equal(t, c.want, got, name)
	}
}

// A calendar is accepted just when, looked at day by day, every day of a term is in the year and in no other term.
func TestCalendarFaults_acceptWhatHoldsDayByDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) span {
			from := rapid.IntRange(-3, 370).Draw(t, "from")
			return days(from, from+rapid.IntRange(-2, 120).Draw(t, "length"))
		}), 0, 5)
		terms, holidays := drawn.Draw(t, "terms"), drawn.Draw(t, "holidays")
		good := true
		covered := map[time.Time]bool{}
		for list, spans := range [][]span{terms, holidays} {
			for _, s := range spans {
				good = good && !s.end.Before(s.start.Time)
				for day := s.start.Time; !day.After(s.end.Time); day = day.AddDate(0, 0, 1) {
					inYear := !day.Before(wholeYear.start.Time) && !day.After(wholeYear.end.Time)
					good = good && inYear && (list > 0 || !covered[day])
					covered[day] = covered[day] || list == 0
				}
			}
		}
		assert.Equal(t, good, len(calendarFaults(wholeYear, terms, holidays)) == 0)
	})
}
