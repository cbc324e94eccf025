package academic_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestSubject_isReadAsItWasCreated(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	body := api.SubjectCreate{InstitutionId: institution.Id, Name: "Music", Code: "MUS", IsActive: new(false)}
	created := got[api.CreateSubject201JSONResponse](t)(s.CreateSubject(s.ctx, api.CreateSubjectRequestObject{Body: &body}))
	assert.Equal(t, "/v1/subjects/"+created.Body.Id.String(), created.Headers.Location)

	read := got[api.GetSubject200JSONResponse](t)(s.GetSubject(s.ctx, api.GetSubjectRequestObject{SubjectId: created.Body.Id}))
	assert.Equal(t, created.Body, api.Subject(read))
	assert.Equal(t, api.Subject{
		Id: read.Id, InstitutionId: institution.Id, Name: "Music", Code: "MUS", IsActive: false,
		CreatedAt: read.CreatedAt, UpdatedAt: read.CreatedAt,
	}, api.Subject(read))
}

func TestSubject_keepsWhatAPatchLeavesOut(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	want := s.subject(t, s.institution(t, "Main").Id, "Music")
	steps := map[string]struct {
		patch api.SubjectPatch
		apply func()
	}{
		"name":     {api.SubjectPatch{Name: new("Art")}, func() { want.Name = "Art" }},
		"code":     {api.SubjectPatch{Code: new("ART")}, func() { want.Code = "ART" }},
		"isActive": {api.SubjectPatch{IsActive: new(false)}, func() { want.IsActive = false }},
	}
	for name, step := range steps {
		step.apply()
		changed := got[api.UpdateSubject200JSONResponse](t)(s.UpdateSubject(s.ctx, api.UpdateSubjectRequestObject{
			SubjectId: want.Id, ApplicationMergePatchPlusJSONBody: &step.patch,
		}))
		want.UpdatedAt = changed.UpdatedAt
		assert.Equal(t, want, api.Subject(changed), name)
	}
}

func TestSubject_nameAndCodeAreUniqueInItsInstitution(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	here, elsewhere := s.institution(t, "Here"), s.institution(t, "Elsewhere")
	create := func(body api.SubjectCreate) error {
		body.IsActive = new(true)
		_, err := s.CreateSubject(s.ctx, api.CreateSubjectRequestObject{Body: &body})
		return err
	}
	assert.NoError(t, create(api.SubjectCreate{InstitutionId: here.Id, Name: "Music", Code: "MUS"}))
	assert.NoError(t, create(api.SubjectCreate{InstitutionId: elsewhere.Id, Name: "Music", Code: "MUS"}))
	wantFault(t, create(api.SubjectCreate{InstitutionId: here.Id, Name: "Music", Code: "MUS2"}), apperr.Conflict, "name", "unique")
	wantFault(t, create(api.SubjectCreate{InstitutionId: here.Id, Name: "Museum", Code: "MUS"}), apperr.Conflict, "code", "unique")
}
