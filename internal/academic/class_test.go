package academic_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestClass_isReadAsItWasCreated(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	body := api.SchoolClassCreate{InstitutionId: institution.Id, Name: "Nursery", GradeLevel: -2, IsActive: new(false)}
	created := got[api.CreateClass201JSONResponse](t)(s.CreateClass(s.ctx, api.CreateClassRequestObject{Body: &body}))
	assert.Equal(t, "/v1/classes/"+created.Body.Id.String(), created.Headers.Location)

	read := got[api.GetClass200JSONResponse](t)(s.GetClass(s.ctx, api.GetClassRequestObject{ClassId: created.Body.Id}))
	assert.Equal(t, created.Body, api.SchoolClass(read))
	assert.Equal(t, api.SchoolClass{
		Id: read.Id, InstitutionId: institution.Id, Name: "Nursery", GradeLevel: -2, IsActive: false,
		CreatedAt: read.CreatedAt, UpdatedAt: read.CreatedAt,
	}, api.SchoolClass(read))
}

func TestClass_keepsWhatAPatchLeavesOut(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	want := s.class(t, s.institution(t, "Main").Id, 1, "Grade 1")
	steps := map[string]struct {
		patch api.SchoolClassPatch
		apply func()
	}{
		"name":       {api.SchoolClassPatch{Name: new("Kindergarten")}, func() { want.Name = "Kindergarten" }},
		"gradeLevel": {api.SchoolClassPatch{GradeLevel: new(int32(0))}, func() { want.GradeLevel = 0 }},
		"isActive":   {api.SchoolClassPatch{IsActive: new(false)}, func() { want.IsActive = false }},
	}
	for name, step := range steps {
		step.apply()
		changed := got[api.UpdateClass200JSONResponse](t)(s.UpdateClass(s.ctx, api.UpdateClassRequestObject{
			ClassId: want.Id, ApplicationMergePatchPlusJSONBody: &step.patch,
		}))
		want.UpdatedAt = changed.UpdatedAt
		assert.Equal(t, want, api.SchoolClass(changed), name)
	}
}

func TestClass_nameIsUniqueInItsInstitution(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	here, elsewhere := s.institution(t, "Here"), s.institution(t, "Elsewhere")
	s.class(t, here.Id, 1, "Grade 1")
	s.class(t, elsewhere.Id, 1, "Grade 1")
	second := s.class(t, here.Id, 2, "Grade 2")

	_, err := s.CreateClass(s.ctx, api.CreateClassRequestObject{Body: &api.SchoolClassCreate{
		InstitutionId: here.Id, Name: "Grade 1", GradeLevel: 3, IsActive: new(true),
	}})
	wantFault(t, err, apperr.Conflict, "name", "unique")
	_, err = s.UpdateClass(s.ctx, api.UpdateClassRequestObject{ClassId: second.Id, JSONBody: &api.SchoolClassPatch{Name: new("Grade 1")}})
	wantFault(t, err, apperr.Conflict, "name", "unique")
}
