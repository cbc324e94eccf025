package contract_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// The limits of the hardening report, for every operation that there is and will be.

func TestLimits_pagesAreNumberedTo10000AndSearchesHave200Characters(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	lists, searches := 0, 0
	for _, op := range c.Operations {
		for _, p := range op.Spec.Parameters {
			schema := p.Value.Schema.Value
			switch p.Value.Name {
			case "page":
				lists++
				require.NotNil(t, schema.Max, op.ID)
				assert.InDelta(t, 10_000, *schema.Max, 0, op.ID)
			case "limit":
				assert.EqualValues(t, 100, p.Value.Extensions["x-cap"], "%s: a larger limit is served as 100", op.ID)
			case "q":
				searches++
				require.NotNil(t, schema.MaxLength, op.ID)
				assert.EqualValues(t, 200, *schema.MaxLength, op.ID)
			}
		}
	}
	assert.GreaterOrEqual(t, lists, 9)
	assert.GreaterOrEqual(t, searches, 2)
}

func TestLimits_noRequestHasMoreThan100Items(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	lists := 0
	var visit func(at string, ref *openapi3.SchemaRef)
	visit = func(at string, ref *openapi3.SchemaRef) {
		if ref == nil {
			return
		}
		if ref.Value.Type.Is("array") {
			lists++
			require.NotNil(t, ref.Value.MaxItems, at)
			assert.LessOrEqual(t, *ref.Value.MaxItems, uint64(100), at)
		}
		visit(at+"[]", ref.Value.Items)
		for name, property := range ref.Value.Properties {
			visit(at+"."+name, property)
		}
	}
	for _, op := range c.Operations {
		if op.Spec.RequestBody == nil {
			continue
		}
		for kind, content := range op.Spec.RequestBody.Value.Content {
			visit(op.ID+" "+strings.TrimPrefix(kind, "application/"), content.Schema)
		}
	}
	assert.Positive(t, lists)
}
