package academic_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func (s school) replaceCalendar(year uuid.UUID, body api.CalendarReplacement) (api.ReplaceCalendarResponseObject, error) {
	return s.ReplaceCalendar(s.ctx, api.ReplaceCalendarRequestObject{AcademicYearId: year, Body: &body})
}

func (s school) calendar(t *testing.T, year uuid.UUID) api.Calendar {
	t.Helper()
	return api.Calendar(got[api.GetCalendar200JSONResponse](t)(s.GetCalendar(s.ctx, api.GetCalendarRequestObject{AcademicYearId: year})))
}

func TestCalendar_isReadInOrderAsItWasReplaced(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	year := s.year(t, yearOf(s.institution(t, "Main").Id, 2026, true))
	assert.Equal(t, api.Calendar{AcademicYearId: year.Id, Terms: []api.Term{}, Holidays: []api.Holiday{}}, s.calendar(t, year.Id))

	may, june := date(2026, time.May, 1), date(2026, time.June, 7)
	body := api.CalendarReplacement{
		Terms: []api.TermInput{
			{Name: "Second", StartDate: date(2026, time.October, 1), EndDate: date(2027, time.March, 31)},
			{Name: "First", StartDate: year.StartDate, EndDate: date(2026, time.September, 30)},
		},
		Holidays: []api.HolidayInput{{Name: "Feast", StartDate: date(2026, time.August, 15)}, {Name: "Summer", StartDate: may, EndDate: &june}},
	}
	for range 2 { // replacing it by itself changes nothing
		replaced := api.Calendar(got[api.ReplaceCalendar200JSONResponse](t)(s.replaceCalendar(year.Id, body)))
		assert.Equal(t, []string{"First", "Second"}, []string{replaced.Terms[0].Name, replaced.Terms[1].Name})
		assert.Equal(t, []api.Holiday{
			{Name: "Summer", StartDate: may, EndDate: june}, {Name: "Feast", StartDate: date(2026, time.August, 15), EndDate: date(2026, time.August, 15)},
		}, replaced.Holidays)
		assert.Equal(t, replaced, s.calendar(t, year.Id))
	}
	_, err := s.replaceCalendar(year.Id, api.CalendarReplacement{})
	require.NoError(t, err)
	assert.Empty(t, s.calendar(t, year.Id).Terms)
}

func TestCalendar_refusedChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	year := s.year(t, yearOf(s.institution(t, "Main").Id, 2026, true))
	_, err := s.replaceCalendar(year.Id, api.CalendarReplacement{Holidays: []api.HolidayInput{{Name: "Feast", StartDate: year.StartDate}}})
	require.NoError(t, err)
	before := s.calendar(t, year.Id)
	_, err = s.replaceCalendar(year.Id, api.CalendarReplacement{Terms: []api.TermInput{{Name: "Long", StartDate: year.StartDate, EndDate: date(2027, time.April, 1)}}})
	var e *apperr.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "terms[0].endDate", e.Fields[0].Field)
	assert.Equal(t, before, s.calendar(t, year.Id))
}

func TestCalendar_keepsTheYearFromBecomingShorterThanItsTermsAndHolidays(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	year := s.year(t, yearOf(s.institution(t, "Main").Id, 2026, true))
	_, err := s.replaceCalendar(year.Id, api.CalendarReplacement{
		Terms:    []api.TermInput{{Name: "First", StartDate: date(2026, time.April, 10), EndDate: date(2026, time.September, 30)}},
		Holidays: []api.HolidayInput{{Name: "Feast", StartDate: date(2027, time.March, 20)}},
	})
	require.NoError(t, err)
	for field, patch := range map[string]api.AcademicYearPatch{
		"startDate": {StartDate: new(date(2026, time.April, 11))},
		"endDate":   {EndDate: new(date(2027, time.March, 19))},
	} {
		_, err := s.patchYear(year.Id, patch)
		wantFault(t, err, apperr.Conflict, field, "inUse")
	}
	_, err = s.patchYear(year.Id, api.AcademicYearPatch{StartDate: new(date(2026, time.April, 10)), EndDate: new(date(2027, time.March, 20))})
	require.NoError(t, err)
}

func TestCalendar_ofTwoReplacementsAtOnceOneIsThereAsAWhole(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	year := s.year(t, yearOf(s.institution(t, "Main").Id, 2026, true))
	of := func(name string, day openapi_types.Date) api.CalendarReplacement {
		return api.CalendarReplacement{
			Terms:    []api.TermInput{{Name: name, StartDate: day, EndDate: day}},
			Holidays: []api.HolidayInput{{Name: name, StartDate: day}},
		}
	}
	for range 10 {
		var both errgroup.Group
		for _, body := range []api.CalendarReplacement{of("A", date(2026, time.May, 1)), of("B", date(2026, time.May, 2))} {
			both.Go(func() error { _, err := s.replaceCalendar(year.Id, body); return err })
		}
		require.NoError(t, both.Wait())
		c := s.calendar(t, year.Id)
		require.Len(t, c.Terms, 1)
		require.Len(t, c.Holidays, 1)
		require.Equal(t, c.Terms[0].Name, c.Holidays[0].Name)
	}
}
