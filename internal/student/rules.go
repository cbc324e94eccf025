package student

import (
	"time"

	"github.com/google/uuid"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// placement is where a student is to be enrolled, and from when.
type placement struct {
	institution, year, class, section uuid.UUID
	from                              openapi_types.Date
}

// catalogue holds the rows that placements refer to, as far as they exist. Ids are unique over all kinds.
type catalogue map[uuid.UUID]gendb.PlacesForAdmissionRow

func newCatalogue(rows []gendb.PlacesForAdmissionRow) catalogue {
	c := make(catalogue, len(rows))
	for _, r := range rows {
		c[r.ID] = r
	}
	return c
}

// faults says, for each part of a placement, why it cannot be: all of them at once. Institution, academic year, class and
// section must exist, belong together and be active, and the year must not be over.
func (c catalogue) faults(p placement) []apperr.Field {
	var fields []apperr.Field
	check := func(name, kind string, id, parent uuid.UUID) {
		if f, bad := c.fault(name, kind, id, parent); bad {
			fields = append(fields, f)
		}
	}
	check("institutionId", "institution", p.institution, p.institution)
	check("academicYearId", "academicYear", p.year, p.institution)
	check("classId", "class", p.class, p.institution)
	check("sectionId", "section", p.section, p.class)
	if year, ok := c[p.year]; ok && year.EndDate != nil && p.from.After(year.EndDate.Time) && len(fields) == 0 {
		fields = append(fields, apperr.BodyField("ended", "Is over by the first day of the enrollment", "academicYearId"))
	}
	return fields
}

func (c catalogue) fault(name, kind string, id, parent uuid.UUID) (apperr.Field, bool) {
	row, found := c[id]
	switch {
	case !found || row.Kind != kind:
		return apperr.BodyField("reference", "Does not exist", name), true
	case row.ParentID != parent:
		return apperr.BodyField("reference", "Does not belong here", name), true
	case !row.IsActive:
		return apperr.BodyField("inactive", "Takes no new students", name), true
	}
	return apperr.Field{}, false
}

// firstDay is when an enrollment starts: on the day wished for, but not before its academic year.
func (c catalogue) firstDay(year uuid.UUID, wished openapi_types.Date) openapi_types.Date {
	if row, ok := c[year]; ok && row.StartDate != nil && wished.Before(row.StartDate.Time) {
		return *row.StartDate
	}
	return wished
}

// seat is a student's place in a section for a year.
type seat struct{ year, section uuid.UUID }

// take gives a seat to one more student, where the section has room for one or is to be overbooked. taken counts the seats
// that are taken, this one too.
func (c catalogue) take(s seat, taken map[seat]int64, overbook bool) (full bool) {
	if taken[s] >= int64(c[s.section].Capacity) && !overbook {
		return true
	}
	taken[s]++
	return false
}

// returnFaults does not let a student come back before the last day of the last enrollment; ended has one day, or none.
func returnFaults(ended []*openapi_types.Date, from openapi_types.Date) []apperr.Field {
	if len(ended) == 0 || !from.Before(ended[0].Time) {
		return nil
	}
	return []apperr.Field{apperr.BodyField("order", "Must not be before the last enrollment ended", "startedOn")}
}

// primaryFaults allows one primary guardian; every further one is at fault.
func primaryFaults(isPrimary []bool) []apperr.Field {
	var fields []apperr.Field
	seen := false
	for i, primary := range isPrimary {
		if primary && seen {
			fields = append(fields, apperr.BodyField("unique", "Only one guardian can be the primary one", "guardians", i, "isPrimary"))
		}
		seen = seen || primary
	}
	return fields
}

// today is the date in UTC, for what the client leaves out.
func today() openapi_types.Date {
	return openapi_types.Date{Time: time.Now().UTC().Truncate(24 * time.Hour)}
}

func orToday(day *openapi_types.Date) openapi_types.Date {
	if day == nil {
		return today()
	}
	return *day
}

// guardiansOf are the guardians of an admission; absent is none.
func guardiansOf(a api.StudentAdmission) []api.GuardianInput {
	if a.Guardians == nil {
		return nil
	}
	return *a.Guardians
}
