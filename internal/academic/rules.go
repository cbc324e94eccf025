package academic

import (
	"cmp"
	"slices"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// span is a term, a holiday or a year: the days from start to end, both included.
type span struct {
	name       string
	start, end openapi_types.Date
}

// calendarFaults says why terms and holidays are no calendar of a year, all of it at once. Each must end no earlier than it
// starts and lie in the year, and no day is in two terms. Holidays may overlap: a feast in a vacation is both.
func calendarFaults(year span, terms, holidays []span) []apperr.Field {
	return slices.Concat(spanFaults("terms", year, terms), spanFaults("holidays", year, holidays), overlapFaults(terms))
}

func spanFaults(list string, year span, spans []span) []apperr.Field {
	var faults []apperr.Field
	for i, s := range spans {
		outside := func(day openapi_types.Date) bool { return day.Before(year.start.Time) || day.After(year.end.Time) }
		if outside(s.start) {
			faults = append(faults, apperr.BodyField("outsideYear", "Is outside the academic year", list, i, "startDate"))
		}
		switch {
		case s.end.Before(s.start.Time):
			faults = append(faults, apperr.BodyField("order", "Must not be before the first day", list, i, "endDate"))
		case outside(s.end):
			faults = append(faults, apperr.BodyField("outsideYear", "Is outside the academic year", list, i, "endDate"))
		}
	}
	return faults
}

// overlapFaults names each term that starts while an earlier one is not over.
func overlapFaults(terms []span) []apperr.Field {
	order := make([]int, len(terms))
	for i := range terms {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(terms[a].start.Compare(terms[b].start.Time), cmp.Compare(a, b))
	})
	var faults []apperr.Field
	for n, i := range order {
		for _, earlier := range order[:n] {
			if !terms[i].start.After(terms[earlier].end.Time) {
				faults = append(faults, apperr.BodyField("overlap", "Starts before another term is over", "terms", i, "startDate"))
				break
			}
		}
	}
	return faults
}
