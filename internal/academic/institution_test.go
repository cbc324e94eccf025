package academic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestInstitution_isReadAsItWasCreated(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	body := api.InstitutionCreate{Name: "Hill Campus", Code: "HILL", TimeZone: new("Europe/Berlin"), WorkingDays: &[]api.Weekday{"sunday", "monday"}, IsActive: new(false)}
	created := got[api.CreateInstitution201JSONResponse](t)(s.CreateInstitution(s.ctx, api.CreateInstitutionRequestObject{Body: &body}))
	assert.Equal(t, "/v1/institutions/"+created.Body.Id.String(), created.Headers.Location)
	assert.EqualValues(t, 7, created.Body.Id.Version())
	assert.WithinDuration(t, time.Now(), created.Body.CreatedAt, time.Minute)

	read := got[api.GetInstitution200JSONResponse](t)(s.GetInstitution(s.ctx, api.GetInstitutionRequestObject{InstitutionId: created.Body.Id}))
	assert.Equal(t, created.Body, api.Institution(read))
	assert.Equal(t, api.Institution{
		Id: read.Id, Name: "Hill Campus", Code: "HILL", TimeZone: "Europe/Berlin", WorkingDays: []api.Weekday{"monday", "sunday"}, IsActive: false, CreatedAt: read.CreatedAt, UpdatedAt: read.CreatedAt,
	}, api.Institution(read))
}

func TestInstitution_keepsWhatAPatchLeavesOut(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	want := s.institution(t, "Hill Campus")
	steps := map[string]struct {
		patch api.InstitutionPatch
		apply func()
	}{
		"name":        {api.InstitutionPatch{Name: new("Lake Campus")}, func() { want.Name = "Lake Campus" }},
		"code":        {api.InstitutionPatch{Code: new("LAKE")}, func() { want.Code = "LAKE" }},
		"timeZone":    {api.InstitutionPatch{TimeZone: new("UTC")}, func() { want.TimeZone = "UTC" }},
		"workingDays": {api.InstitutionPatch{WorkingDays: &[]api.Weekday{"saturday", "friday"}}, func() { want.WorkingDays = []api.Weekday{"friday", "saturday"} }},
		"isActive":    {api.InstitutionPatch{IsActive: new(false)}, func() { want.IsActive = false }},
	}
	for name, step := range steps {
		step.apply()
		changed := got[api.UpdateInstitution200JSONResponse](t)(s.UpdateInstitution(s.ctx, api.UpdateInstitutionRequestObject{
			InstitutionId: want.Id, ApplicationMergePatchPlusJSONBody: &step.patch,
		}))
		assert.True(t, changed.UpdatedAt.After(want.UpdatedAt), name)
		want.UpdatedAt = changed.UpdatedAt
		assert.Equal(t, want, api.Institution(changed), name)
	}
	read := got[api.GetInstitution200JSONResponse](t)(s.GetInstitution(s.ctx, api.GetInstitutionRequestObject{InstitutionId: want.Id}))
	assert.Equal(t, want, api.Institution(read))
}

func TestInstitution_nameAndCodeAreUnique(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	first, second := s.institution(t, "First"), s.institution(t, "Second")
	for field, patch := range map[string]api.InstitutionPatch{"name": {Name: &first.Name}, "code": {Code: &first.Code}} {
		_, err := s.UpdateInstitution(s.ctx, api.UpdateInstitutionRequestObject{InstitutionId: second.Id, JSONBody: &patch})
		wantFault(t, err, apperr.Conflict, field, "unique")
	}
	for field, body := range map[string]api.InstitutionCreate{
		"name": {Name: first.Name, Code: "NEW", TimeZone: new("UTC"), IsActive: new(true)},
		"code": {Name: "New", Code: first.Code, TimeZone: new("UTC"), IsActive: new(true)},
	} {
		_, err := s.CreateInstitution(s.ctx, api.CreateInstitutionRequestObject{Body: &body})
		wantFault(t, err, apperr.Conflict, field, "unique")
	}
}
