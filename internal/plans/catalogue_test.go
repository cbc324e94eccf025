package plans_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/plans"
)

func TestCatalogue_hasEveryGeneratedQuery(t *testing.T) {
	t.Parallel()
	all, err := plans.Catalogue()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, q := range all {
		names[q.Name] = true
		assert.NotEmpty(t, q.File, q.Name)
	}
	assert.Len(t, names, len(all), "no query twice")
	for _, name := range []string{"ListStudentsByName", "AdmitUsers", "LiveSession", "DueTenants", "CountRoles"} {
		assert.Contains(t, names, name)
	}
	for _, q := range all {
		t.Log(q.File, q.Name, q.Params())
	}
}
