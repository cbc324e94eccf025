package academic_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestAcademicYear_isReadAsItWasCreated(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	body := api.AcademicYearCreate{
		InstitutionId: institution.Id, Name: "2027-28", StartDate: date(2027, time.April, 1), EndDate: date(2028, time.February, 29),
		IsCurrent: new(true), IsActive: new(false),
	}
	created := got[api.CreateAcademicYear201JSONResponse](t)(s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: &body}))
	assert.Equal(t, "/v1/academic-years/"+created.Body.Id.String(), created.Headers.Location)

	read := s.readYear(t, created.Body.Id)
	assert.Equal(t, created.Body, read)
	assert.Equal(t, api.AcademicYear{
		Id: read.Id, InstitutionId: institution.Id, Name: "2027-28", StartDate: body.StartDate, EndDate: body.EndDate,
		IsCurrent: true, IsActive: false, CreatedAt: read.CreatedAt, UpdatedAt: read.CreatedAt,
	}, read)
}

func (s school) readYear(t *testing.T, id uuid.UUID) api.AcademicYear {
	t.Helper()
	return api.AcademicYear(got[api.GetAcademicYear200JSONResponse](t)(
		s.GetAcademicYear(s.ctx, api.GetAcademicYearRequestObject{AcademicYearId: id})))
}

func (s school) patchYear(id uuid.UUID, patch api.AcademicYearPatch) (api.UpdateAcademicYearResponseObject, error) {
	return s.UpdateAcademicYear(s.ctx, api.UpdateAcademicYearRequestObject{
		AcademicYearId: id, ApplicationMergePatchPlusJSONBody: &patch,
	})
}

func TestAcademicYear_keepsWhatAPatchLeavesOut(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	want := s.year(t, yearOf(s.institution(t, "Main").Id, 2026, false))
	start, end := date(2026, time.May, 2), date(2027, time.April, 30)
	steps := map[string]struct {
		patch api.AcademicYearPatch
		apply func()
	}{
		"name":      {api.AcademicYearPatch{Name: new("Next")}, func() { want.Name = "Next" }},
		"startDate": {api.AcademicYearPatch{StartDate: &start}, func() { want.StartDate = start }},
		"endDate":   {api.AcademicYearPatch{EndDate: &end}, func() { want.EndDate = end }},
		"isCurrent": {api.AcademicYearPatch{IsCurrent: new(true)}, func() { want.IsCurrent = true }},
		"isActive":  {api.AcademicYearPatch{IsActive: new(false)}, func() { want.IsActive = false }},
	}
	for name, step := range steps {
		step.apply()
		changed := got[api.UpdateAcademicYear200JSONResponse](t)(s.patchYear(want.Id, step.patch))
		want.UpdatedAt = changed.UpdatedAt
		assert.Equal(t, want, api.AcademicYear(changed), name)
	}
	assert.Equal(t, want, s.readYear(t, want.Id))
}

func TestAcademicYear_nameIsUniqueInItsInstitution(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	here, elsewhere := s.institution(t, "Here"), s.institution(t, "Elsewhere")
	body := yearOf(here.Id, 2026, false)
	s.year(t, body)
	_, err := s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: body})
	wantFault(t, err, apperr.Conflict, "name", "unique")

	second := s.year(t, yearOf(here.Id, 2027, false))
	_, err = s.patchYear(second.Id, api.AcademicYearPatch{Name: &body.Name})
	wantFault(t, err, apperr.Conflict, "name", "unique")

	body.InstitutionId = elsewhere.Id
	s.year(t, body)
}

func TestAcademicYear_endsAfterItStarts(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	year := s.year(t, yearOf(institution.Id, 2026, false))
	for _, end := range []int{1, 2} { // the day before the start, and the start itself
		body := yearOf(institution.Id, 2027, false)
		body.StartDate, body.EndDate = date(2027, time.April, 2), date(2027, time.April, end)
		_, err := s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: body})
		wantFault(t, err, apperr.Invalid, "endDate", "order")
	}
	_, err := s.patchYear(year.Id, api.AcademicYearPatch{EndDate: &year.StartDate})
	wantFault(t, err, apperr.Invalid, "endDate", "order")
	_, err = s.patchYear(year.Id, api.AcademicYearPatch{StartDate: &year.EndDate})
	wantFault(t, err, apperr.Invalid, "endDate", "order")
	assert.Equal(t, year, s.readYear(t, year.Id))
}

// current are the names of the current years of an institution.
func (s school) current(t *testing.T, institution uuid.UUID) []string {
	t.Helper()
	years := got[api.ListAcademicYears200JSONResponse](t)(s.ListAcademicYears(s.ctx, api.ListAcademicYearsRequestObject{
		Params: api.ListAcademicYearsParams{Page: new(int32(1)), Limit: new(100), InstitutionId: &institution},
	}))
	names := []string{}
	for _, year := range years.Data {
		if year.IsCurrent {
			names = append(names, year.Name)
		}
	}
	return names
}

func TestAcademicYear_becomingCurrentEndsTheTurnOfTheOneBefore(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	here, elsewhere := s.institution(t, "Here").Id, s.institution(t, "Elsewhere").Id
	untouched := s.year(t, yearOf(elsewhere, 2026, true))
	first := s.year(t, yearOf(here, 2026, true))
	assert.Equal(t, []string{first.Name}, s.current(t, here))

	second := s.year(t, yearOf(here, 2027, true))
	assert.Equal(t, []string{second.Name}, s.current(t, here), "by a create")
	assert.True(t, s.readYear(t, first.Id).UpdatedAt.After(first.UpdatedAt), "the one before was changed too")

	for range 2 { // the second time nothing is left to end
		_, err := s.patchYear(first.Id, api.AcademicYearPatch{IsCurrent: new(true)})
		require.NoError(t, err)
		assert.Equal(t, []string{first.Name}, s.current(t, here), "by a patch")
	}
	_, err := s.patchYear(first.Id, api.AcademicYearPatch{IsCurrent: new(false)})
	require.NoError(t, err)
	assert.Empty(t, s.current(t, here), "none need be current")
	assert.Equal(t, untouched, s.readYear(t, untouched.Id), "another institution has its own")
}

func TestAcademicYear_staysCurrentWhenTheNextOneIsRefused(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main").Id
	current, other := s.year(t, yearOf(institution, 2026, true)), s.year(t, yearOf(institution, 2027, false))

	next := yearOf(institution, 2028, true)
	next.Name = current.Name
	_, err := s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: next})
	wantFault(t, err, apperr.Conflict, "name", "unique")
	_, err = s.patchYear(other.Id, api.AcademicYearPatch{IsCurrent: new(true), EndDate: &other.StartDate})
	wantFault(t, err, apperr.Invalid, "endDate", "order")
	assert.Equal(t, current, s.readYear(t, current.Id))
}

func TestAcademicYear_exactlyOneIsCurrentAfterManyWantedToBe(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main").Id
	var years [4]api.AcademicYear
	for i := range years {
		years[i] = s.year(t, yearOf(institution, 2026+i, i == 0))
	}
	for range 5 {
		var all errgroup.Group
		for i := range 10 {
			all.Go(func() error {
				if i%3 == 0 {
					_, err := s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: yearOf(institution, 2030, true)})
					return err
				}
				_, err := s.patchYear(years[i%len(years)].Id, api.AcademicYearPatch{IsCurrent: new(true)})
				return err
			})
			all.Go(func() error { // and somebody who has nothing to do with it
				_, err := s.patchYear(years[i%len(years)].Id, api.AcademicYearPatch{Name: new(unique("Y"))})
				return err
			})
		}
		require.NoError(t, all.Wait(), "they queue, so none is refused")
		assert.Len(t, s.current(t, institution), 1)
	}
}
