package academic_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestSection_isReadAsItWasCreated(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	class := s.class(t, s.institution(t, "Main").Id, 1, "Grade 1")
	body := api.SectionCreate{ClassId: class.Id, Name: "A", Capacity: 35, IsActive: new(false)}
	created := got[api.CreateSection201JSONResponse](t)(s.CreateSection(s.ctx, api.CreateSectionRequestObject{Body: &body}))
	assert.Equal(t, "/v1/sections/"+created.Body.Id.String(), created.Headers.Location)

	read := got[api.GetSection200JSONResponse](t)(s.GetSection(s.ctx, api.GetSectionRequestObject{SectionId: created.Body.Id}))
	assert.Equal(t, created.Body, api.Section(read))
	assert.Equal(t, api.Section{
		Id: read.Id, ClassId: class.Id, Name: "A", Capacity: 35, IsActive: false,
		CreatedAt: read.CreatedAt, UpdatedAt: read.CreatedAt,
	}, api.Section(read))
}

func TestSection_keepsWhatAPatchLeavesOut(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	want := s.section(t, s.class(t, s.institution(t, "Main").Id, 1, "Grade 1").Id, "A")
	steps := map[string]struct {
		patch api.SectionPatch
		apply func()
	}{
		"name":     {api.SectionPatch{Name: new("B")}, func() { want.Name = "B" }},
		"capacity": {api.SectionPatch{Capacity: new(int32(1))}, func() { want.Capacity = 1 }},
		"isActive": {api.SectionPatch{IsActive: new(false)}, func() { want.IsActive = false }},
	}
	for name, step := range steps {
		step.apply()
		changed := got[api.UpdateSection200JSONResponse](t)(s.UpdateSection(s.ctx, api.UpdateSectionRequestObject{
			SectionId: want.Id, ApplicationMergePatchPlusJSONBody: &step.patch,
		}))
		want.UpdatedAt = changed.UpdatedAt
		assert.Equal(t, want, api.Section(changed), name)
	}
}

// The row is locked before it is read, so that neither request writes back what it read before the other's change.
func TestSection_keepsBothOfTwoPatchesAtOnce(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	section := s.section(t, s.class(t, s.institution(t, "Main").Id, 1, "Grade 1").Id, "A")
	for i := range 20 {
		name, capacity := unique("S"), int32(i+1)
		var both errgroup.Group
		for _, patch := range []api.SectionPatch{{Name: &name}, {Capacity: &capacity}} {
			both.Go(func() error {
				_, err := s.UpdateSection(s.ctx, api.UpdateSectionRequestObject{SectionId: section.Id, JSONBody: &patch})
				return err
			})
		}
		require.NoError(t, both.Wait())
		read := got[api.GetSection200JSONResponse](t)(s.GetSection(s.ctx, api.GetSectionRequestObject{SectionId: section.Id}))
		require.Equal(t, name, read.Name)
		require.Equal(t, capacity, read.Capacity)
	}
}

func TestSection_nameIsUniqueInItsClass(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	here, elsewhere := s.class(t, institution.Id, 1, "Grade 1"), s.class(t, institution.Id, 2, "Grade 2")
	s.section(t, here.Id, "A")
	s.section(t, elsewhere.Id, "A")
	second := s.section(t, here.Id, "B")

	_, err := s.CreateSection(s.ctx, api.CreateSectionRequestObject{Body: &api.SectionCreate{
		ClassId: here.Id, Name: "A", Capacity: 40, IsActive: new(true),
	}})
	wantFault(t, err, apperr.Conflict, "name", "unique")
	_, err = s.UpdateSection(s.ctx, api.UpdateSectionRequestObject{SectionId: second.Id, JSONBody: &api.SectionPatch{Name: new("A")}})
	wantFault(t, err, apperr.Conflict, "name", "unique")
}
