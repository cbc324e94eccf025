package student

import (
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func day(year int, month time.Month, d int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(year, month, d, 0, 0, 0, 0, time.UTC)}
}

var (
	institution = uuid.MustParse("01900000-0000-7000-8000-000000000101")
	year        = uuid.MustParse("01900000-0000-7000-8000-000000000201")
	class       = uuid.MustParse("01900000-0000-7000-8000-000000000301")
	section     = uuid.MustParse("01900000-0000-7000-8000-000000000401")
	elsewhere   = uuid.MustParse("01900000-0000-7000-8000-000000000999")
)

func school() catalogue {
	start, end := day(2026, 4, 1), day(2027, 3, 31)
	return newCatalogue([]gendb.PlacesForAdmissionRow{
		{Kind: "institution", ID: institution, ParentID: institution, IsActive: true},
		{Kind: "academicYear", ID: year, ParentID: institution, IsActive: true, StartDate: &start, EndDate: &end},
		{Kind: "class", ID: class, ParentID: institution, IsActive: true},
		{Kind: "section", ID: section, ParentID: class, IsActive: true},
	})
}

func TestCatalogue_everyPartThatDoesNotFitIsAFaultOnItsOwnField(t *testing.T) {
	t.Parallel()
	all := []string{"institutionId", "academicYearId", "classId", "sectionId"}
	change := func(id uuid.UUID, edit func(*gendb.PlacesForAdmissionRow)) func(catalogue) {
		return func(c catalogue) { row := c[id]; edit(&row); c[id] = row }
	}
	inactive := func(r *gendb.PlacesForAdmissionRow) { r.IsActive = false }
	moved := func(r *gendb.PlacesForAdmissionRow) { r.ParentID = elsewhere }
	for name, c := range map[string]struct {
		change func(catalogue)
		code   string
		fields []string
	}{
		"all is well":                         {func(catalogue) {}, "", nil},
		"nothing exists":                      {func(c catalogue) { clear(c) }, "reference", all},
		"the institution is closed":           {change(institution, inactive), "inactive", all[:1]},
		"the year is closed":                  {change(year, inactive), "inactive", all[1:2]},
		"the class is closed":                 {change(class, inactive), "inactive", all[2:3]},
		"the section is closed":               {change(section, inactive), "inactive", all[3:]},
		"the year is another institution's":   {change(year, moved), "reference", all[1:2]},
		"the class is another institution's":  {change(class, moved), "reference", all[2:3]},
		"the section is another class's":      {change(section, moved), "reference", all[3:]},
		"the class's id is that of a section": {change(class, func(r *gendb.PlacesForAdmissionRow) { r.Kind = "section" }), "reference", all[2:3]},
	} {
		places := school()
		c.change(places)
		faults := places.faults(placement{institution: institution, year: year, class: class, section: section, from: day(2026, 6, 1)})
		var fields []string
		for _, f := range faults {
			fields = append(fields, f.Field)
			assert.Equal(t, c.code, f.Code, name)
			assert.Equal(t, apperr.Body, f.In, name)
		}
		assert.Equal(t, c.fields, fields, name)
	}
}

func TestCatalogue_anEnrollmentStartsInItsYear(t *testing.T) {
	t.Parallel()
	places := school()
	assert.Equal(t, day(2026, 4, 1), places.firstDay(year, day(2026, 2, 1)), "admitted before the year begins")
	assert.Equal(t, day(2026, 6, 1), places.firstDay(year, day(2026, 6, 1)))
	over := places.faults(placement{institution: institution, year: year, class: class, section: section, from: day(2027, 4, 1)})
	assert.Len(t, over, 1)
	assert.Equal(t, "academicYearId", over[0].Field)
	assert.Equal(t, "ended", over[0].Code)
}

func TestPrimaryFaults_allowOnePrimaryGuardian(t *testing.T) {
	t.Parallel()
	assert.Empty(t, primaryFaults(nil))
	assert.Empty(t, primaryFaults([]bool{false, true, false}))
	faults := primaryFaults([]bool{true, false, true, true})
	assert.Len(t, faults, 2)
	assert.Equal(t, "guardians[2].isPrimary", faults[0].Field)
	assert.Equal(t, "/guardians/3/isPrimary", faults[1].Pointer)
}

func TestContaining_nothingIsAWildcard(t *testing.T) {
	t.Parallel()
	q := `50%_\`
	assert.Equal(t, `%50\%\_\\%`, *containing(&q))
	assert.Nil(t, containing(nil))
}

func TestMaskedAadhar_showsTheLastFourDigits(t *testing.T) {
	t.Parallel()
	last := "1234"
	assert.Equal(t, "XXXXXXXX1234", *maskedAadhar(&last))
	assert.Nil(t, maskedAadhar(nil))
}
