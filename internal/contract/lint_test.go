package contract_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestDocument_isClean(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	for _, finding := range c.Lint() {
		assert.Fail(t, finding)
	}
}
