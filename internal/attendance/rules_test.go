package attendance

import (
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func date(year int, month time.Month, d int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(year, month, d, 0, 0, 0, 0, time.UTC)}
}

func codes(d day) []string {
	var all []string
	for _, f := range d.faults() {
		all = append(all, f.Code)
	}
	return all
}

func TestDay_isRefusedForEveryReasonThatThereIs(t *testing.T) {
	t.Parallel()
	wednesday := day{
		date: date(2026, time.September, 30), today: date(2026, time.September, 30), inYear: true, hasTerms: true, inTerm: true,
		workingDays: []string{"monday", "wednesday"},
	}
	for name, c := range map[string]struct {
		change func(*day)
		want   []string
	}{
		"today":                       {func(*day) {}, nil},
		"long ago":                    {func(d *day) { d.today = date(2030, time.January, 1) }, nil},
		"a year without terms":        {func(d *day) { d.hasTerms, d.inTerm = false, false }, nil},
		"tomorrow":                    {func(d *day) { d.today = date(2026, time.September, 29) }, []string{"future"}},
		"between the terms":           {func(d *day) { d.inTerm = false }, []string{"outsideTerms"}},
		"a tuesday":                   {func(d *day) { d.date = date(2026, time.September, 29) }, []string{"weekday"}},
		"a holiday":                   {func(d *day) { d.holiday = "Feast" }, []string{"holiday"}},
		"no academic year":            {func(d *day) { *d = day{date: d.date, today: d.today} }, []string{"outsideYear"}},
		"a future holiday, a tuesday": {func(d *day) { d.date, d.holiday = date(2026, time.October, 6), "Feast" }, []string{"future", "weekday", "holiday"}},
	} {
		d := wednesday
		c.change(&d)
		assert.Equal(t, c.want, codes(d), name)
	}
}

// In any week just the working days have school.
func TestDay_everyWeekHasItsWorkingDays(t *testing.T) {
	t.Parallel()
	week := []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	rapid.Check(t, func(t *rapid.T) {
		works := rapid.SliceOfNDistinct(rapid.SampledFrom(week), 1, 7, rapid.ID).Draw(t, "working days")
		first := date(2000, time.January, 1+rapid.IntRange(0, 30_000).Draw(t, "first day"))
		var found []string
		for n := range 7 {
			d := day{date: openapi_types.Date{Time: first.AddDate(0, 0, n)}, today: date(2999, 1, 1), inYear: true, workingDays: works}
			if len(d.faults()) == 0 {
				found = append(found, week[d.date.Weekday()])
			}
		}
		assert.ElementsMatch(t, works, found)
	})
}

func TestTodayIn_isTheDateWhereTheInstitutionIs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 29, 20, 0, 0, 0, time.UTC)
	for zone, want := range map[string]openapi_types.Date{
		"UTC": date(2026, time.March, 29), "Asia/Kolkata": date(2026, time.March, 30), "America/New_York": date(2026, time.March, 29),
		"Pacific/Kiritimati": date(2026, time.March, 30), "Etc/GMT+12": date(2026, time.March, 29),
	} {
		today, err := todayIn(zone, now)
		require.NoError(t, err)
		assert.Equal(t, want, today, zone)
	}
	_, err := todayIn("Nowhere/Land", now)
	assert.Error(t, err)
}

// history draws enrollments as the service writes them: each starts when the one before has ended, or later, in one of two
// sections, and only the last may be open.
type stay struct {
	enrollment
	section int
}

func history(t *rapid.T) []stay {
	at := date(2026, time.April, 1)
	later := func(days int) openapi_types.Date { return openapi_types.Date{Time: at.AddDate(0, 0, days)} }
	all := make([]stay, rapid.IntRange(1, 6).Draw(t, "enrollments"))
	for i := range all {
		s := stay{section: rapid.IntRange(0, 1).Draw(t, "section")}
		s.yearStart, s.yearEnd, s.year = date(2026, time.April, 1), date(2027, time.March, 31), uuid.New()
		s.startedOn, s.status = at, "active"
		if i < len(all)-1 || rapid.Bool().Draw(t, "over") {
			at = later(rapid.IntRange(0, 40).Draw(t, "days"))
			s.endedOn, s.status = new(at), rapid.SampledFrom([]string{transferred, "withdrawn"}).Draw(t, "how")
			if s.status == "withdrawn" { // the last day is still here, so the next place begins after it
				at = later(rapid.IntRange(1, 30).Draw(t, "pause"))
			}
		}
		all[i] = s
	}
	return all
}

// On any day a student attends one section at most, so there is one register to be marked in.
func TestEnrollment_aStudentAttendsOneSectionADay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		stays := history(t)
		for n := -5; n < 400; n++ {
			on := openapi_types.Date{Time: date(2026, time.April, 1).AddDate(0, 0, n)}
			attended := 0
			for _, s := range stays {
				if s.attends(on) {
					attended++
					assert.False(t, on.Before(s.startedOn.Time), "before the first day")
					assert.True(t, s.endedOn == nil || !on.After(s.endedOn.Time), "after the last day")
					assert.False(t, on.After(s.yearEnd.Time), "after the year")
				}
			}
			assert.LessOrEqual(t, attended, 1, on.String())
		}
	})
}

func TestEnrollment_theDayOfATransferBelongsToTheNextSection(t *testing.T) {
	t.Parallel()
	on := date(2026, time.June, 15)
	e := enrollment{yearStart: date(2026, time.April, 1), yearEnd: date(2027, time.March, 31), startedOn: date(2026, time.April, 1), endedOn: &on}
	e.status = transferred
	assert.False(t, e.attends(on))
	assert.True(t, e.attends(date(2026, time.June, 14)))
	e.status = "withdrawn"
	assert.True(t, e.attends(on), "the last day is attended")
	assert.False(t, e.attends(date(2026, time.June, 16)))
}

func TestRangeFaults_allowAYearAndNoMore(t *testing.T) {
	t.Parallel()
	from := date(2026, time.April, 1)
	for days, code := range map[int]string{-1: "order", 0: "", 364: "", 399: "", 400: "range", 1_000_000: "range"} {
		faults := rangeFaults(from, openapi_types.Date{Time: from.AddDate(0, 0, days)}, mostDays)
		assert.Equal(t, code != "", len(faults) == 1, "%d days later", days)
		if len(faults) == 1 {
			assert.Equal(t, []string{"to", code}, []string{faults[0].Field, faults[0].Code})
		}
	}
	assert.Empty(t, rangeFaults(date(1, 1, 1), date(9999, time.December, 31), anyDays))
}

func TestCandidate_isPlacedByTheEnrollmentOfTheDay(t *testing.T) {
	t.Parallel()
	section, other := uuid.New(), uuid.New()
	during := func(from, to openapi_types.Date) enrollment {
		return enrollment{year: uuid.New(), yearStart: date(2026, 1, 1), yearEnd: date(2026, 12, 31), startedOn: from, endedOn: &to, status: "withdrawn"}
	}
	spring, autumn := during(date(2026, 3, 1), date(2026, 5, 31)), during(date(2026, 9, 1), date(2026, 11, 30))
	c := candidate{enrollments: []enrollment{spring, autumn}}
	for on, want := range map[openapi_types.Date]uuid.UUID{date(2026, 3, 1): spring.year, date(2026, 11, 30): autumn.year} {
		year, code, _ := c.place(section, on)
		assert.Equal(t, want, year)
		assert.Empty(t, code)
	}
	_, code, _ := c.place(section, date(2026, 7, 1))
	assert.Equal(t, "notEnrolled", code)
	_, code, _ = candidate{}.place(section, date(2026, 3, 1))
	assert.Equal(t, "reference", code)
	c.markedIn = &other
	_, code, _ = c.place(section, date(2026, 3, 1))
	assert.Equal(t, "unique", code)
	c.markedIn = &section
	_, code, _ = c.place(section, date(2026, 3, 1))
	assert.Empty(t, code, "marked here already")
}
