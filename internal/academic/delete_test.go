package academic_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func (s school) deleteClass(id uuid.UUID) error {
	_, err := s.DeleteClass(s.ctx, api.DeleteClassRequestObject{ClassId: id})
	return err
}

func TestDelete_whatIsInUseStaysAndTheAnswerSaysByWhat(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	class := s.class(t, institution.Id, 1, "Grade 1")
	s.class(t, institution.Id, 2, "Grade 2")
	s.subject(t, institution.Id, "Music")
	section := s.section(t, class.Id, "A")

	_, err := s.DeleteInstitution(s.ctx, api.DeleteInstitutionRequestObject{InstitutionId: institution.Id})
	var e *apperr.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, apperr.Conflict, e.Kind)
	assert.Equal(t, "In use by classes: 2, subjects: 1. Make it inactive instead.", e.Detail)
	if assert.Len(t, e.Fields, 2) {
		assert.Equal(t, apperr.Field{In: apperr.Path, Field: "institutionId", Code: "inUse", Message: "Is in use by classes: 2"}, e.Fields[0])
	}
	assert.Equal(t, apperr.Conflict, apperr.KindOf(s.deleteClass(class.Id)))

	_, err = s.DeleteSection(s.ctx, api.DeleteSectionRequestObject{SectionId: section.Id})
	require.NoError(t, err)
	require.NoError(t, s.deleteClass(class.Id), "nothing refers to it any more")
	assert.Equal(t, apperr.NotFound, apperr.KindOf(s.deleteClass(class.Id)))
}

// Whichever comes first, a class and a section in it at once leave no section without a class.
func TestDelete_whileSomethingComesToReferToItEndsWellEitherWay(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	institution := s.institution(t, "Main")
	for range 20 {
		class := s.class(t, institution.Id, 1, unique("C"))
		var deleted, created error
		var both errgroup.Group
		both.Go(func() error { deleted = s.deleteClass(class.Id); return nil })
		both.Go(func() error {
			_, created = s.CreateSection(s.ctx, api.CreateSectionRequestObject{Body: &api.SectionCreate{
				ClassId: class.Id, Name: "A", Capacity: 40, IsActive: new(true),
			}})
			return nil
		})
		require.NoError(t, both.Wait())
		if deleted == nil {
			wantFault(t, created, apperr.Invalid, "classId", "reference")
		} else {
			require.NoError(t, created)
			assert.Equal(t, apperr.Conflict, apperr.KindOf(deleted))
		}
	}
}
