package attendance

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// mostDays is the longest range that is summarised: an academic year, and a little more.
const mostDays = 400

// day is what a calendar says of a date.
type day struct {
	date, today openapi_types.Date // today where the institution is
	inYear      bool               // in an academic year
	hasTerms    bool               // the year has terms
	inTerm      bool
	holiday     string   // the name of one; empty when it is none
	workingDays []string // of the week
}

// faults says why there is no register of the day, all of it at once: there must be school, and the day must have come.
func (d day) faults() []apperr.Field {
	var faults []apperr.Field
	fault := func(broken bool, code, message string) {
		if broken {
			faults = append(faults, apperr.Field{In: apperr.Path, Field: "date", Code: code, Message: message})
		}
	}
	fault(d.date.After(d.today.Time), "future", "Has not come yet where the institution is")
	fault(!d.inYear, "outsideYear", "Is in no academic year of the institution")
	fault(d.inYear && d.hasTerms && !d.inTerm, "outsideTerms", "Is between the terms")
	fault(d.inYear && !d.isWorkingDay(), "weekday", "Is a day of the week without school")
	fault(d.holiday != "", "holiday", "Is a holiday: "+d.holiday)
	return faults
}

func (d day) isWorkingDay() bool {
	return slices.Contains(d.workingDays, strings.ToLower(d.date.Weekday().String()))
}

// todayIn is the date in a time zone at a moment.
func todayIn(zone string, now time.Time) (openapi_types.Date, error) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		return openapi_types.Date{}, err
	}
	year, month, d := now.In(location).Date()
	return openapi_types.Date{Time: time.Date(year, month, d, 0, 0, 0, 0, time.UTC)}, nil
}

// enrollment is a student's time in a section.
type enrollment struct {
	year      uuid.UUID
	yearStart openapi_types.Date
	yearEnd   openapi_types.Date
	startedOn openapi_types.Date
	endedOn   *openapi_types.Date
	status    string
}

// attends reports whether the student was in the section on a day: within the academic year, from the first day to the last.
// The day of a transfer belongs to the section that the student went to.
func (e enrollment) attends(date openapi_types.Date) bool {
	if date.Before(e.startedOn.Time) || date.Before(e.yearStart.Time) || date.After(e.yearEnd.Time) {
		return false
	}
	if e.endedOn == nil {
		return true
	}
	if e.status == transferred {
		return date.Before(e.endedOn.Time)
	}
	return !date.After(e.endedOn.Time)
}

const transferred = "transferred"

// candidate is a student who is to be marked: the enrollments in the section, and the section of the mark that is there.
type candidate struct {
	enrollments []enrollment
	markedIn    *uuid.UUID
}

// place finds the enrollment by which a student is marked in a section, or says why there is none.
func (c candidate) place(section uuid.UUID, date openapi_types.Date) (year uuid.UUID, code, message string) {
	if len(c.enrollments) == 0 {
		return year, "reference", "Is no student of this section"
	}
	i := slices.IndexFunc(c.enrollments, func(e enrollment) bool { return e.attends(date) })
	switch {
	case i < 0:
		return year, "notEnrolled", "Does not attend the section on this day"
	case c.markedIn != nil && *c.markedIn != section:
		return year, "unique", "Is in the register of another section on this day"
	}
	return c.enrollments[i].year, "", ""
}

// rangeFaults holds a range of days against the order of its ends and the longest that there is.
func rangeFaults(from, to openapi_types.Date, most int) []apperr.Field {
	fault := apperr.Field{In: apperr.Query, Field: "to"}
	switch days := int(to.Sub(from.Time).Hours()/24) + 1; {
	case days < 1:
		fault.Code, fault.Message = "order", "Must not be before the first day"
	case days > most:
		fault.Code, fault.Message = "range", "Is too far from the first day"
	default:
		return nil
	}
	return []apperr.Field{fault}
}
