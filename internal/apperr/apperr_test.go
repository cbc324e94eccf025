package apperr_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	conflict := apperr.New(apperr.Conflict, "Taken.")
	assert.Equal(t, apperr.Conflict, apperr.KindOf(conflict))
	assert.Equal(t, apperr.Conflict, apperr.KindOf(fmt.Errorf("admit: %w", conflict)))
	assert.Equal(t, apperr.Internal, apperr.KindOf(errors.New("anything else")))
	assert.Equal(t, apperr.Internal, apperr.KindOf(nil))
}

func TestKind_everyKindHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for kind := apperr.Internal; kind <= apperr.Canceled; kind++ {
		name := kind.String()
		assert.NotEmpty(t, name)
		assert.False(t, seen[name], "%s is the name of two kinds", name)
		seen[name] = true
	}
}

func TestBodyField_namesThePlaceForPeopleAndForPrograms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path           []any
		field, pointer string
	}{
		{nil, "", ""},
		{[]any{"email"}, "email", "/email"},
		{[]any{"students", 3, "email"}, "students[3].email", "/students/3/email"},
		{[]any{"students", 0}, "students[0]", "/students/0"},
		{[]any{"customFields", "a/b~c"}, "customFields.a/b~c", "/customFields/a~1b~0c"},
	} {
		got := apperr.BodyField("required", "Is required", test.path...)
		assert.Equal(t, apperr.Field{
			In: apperr.Body, Field: test.field, Pointer: test.pointer, Code: "required", Message: "Is required",
		}, got)
	}
}

func TestUnder_movesFaultsToAPlace(t *testing.T) {
	t.Parallel()
	faults := []apperr.Field{
		apperr.BodyField("format", "Invalid email", "email"),
		apperr.BodyField("type", "Must be an object"),
	}
	moved := apperr.Under(faults, "students", 36)
	assert.Equal(t, "students[36].email", moved[0].Field)
	assert.Equal(t, "/students/36/email", moved[0].Pointer)
	assert.Equal(t, "students[36]", moved[1].Field)
	assert.Equal(t, "/students/36", moved[1].Pointer)
	assert.Equal(t, "email", faults[0].Field, "the faults given stay as they are")
}

func TestInvalidFields_isNilWithoutFaults(t *testing.T) {
	t.Parallel()
	require.NoError(t, apperr.InvalidFields(nil))
	require.NoError(t, apperr.ConflictFields([]apperr.Field{}))
}

func TestInvalidFields_reportsAllFaults(t *testing.T) {
	t.Parallel()
	one := apperr.BodyField("format", "Invalid email", "email")
	other := apperr.BodyField("required", "Is required", "lastName")

	err := apperr.InvalidFields([]apperr.Field{one, other})
	require.Equal(t, apperr.Invalid, apperr.KindOf(err))
	e, ok := errors.AsType[*apperr.Error](err)
	require.True(t, ok)
	assert.Equal(t, []apperr.Field{one, other}, e.Fields)
	assert.Equal(t, "2 fields need attention.", e.Detail)

	assert.Equal(t, apperr.Conflict, apperr.KindOf(apperr.ConflictFields([]apperr.Field{one})))
}

func TestError_keepsTheCauseForTheLog(t *testing.T) {
	t.Parallel()
	cause := errors.New("duplicate key")
	e := apperr.Wrap(apperr.Conflict, "Already in use.", cause)
	e.Fields = []apperr.Field{apperr.BodyField("unique", "Already in use", "email")}
	require.ErrorIs(t, e, cause)
	assert.Equal(t, "conflict: Already in use. [body email unique]: duplicate key", e.Error())
	assert.Equal(t, "not found", apperr.New(apperr.NotFound, "").Error())
}
