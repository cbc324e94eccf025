package testreport_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/testreport"
)

func TestAdd_appendsALineAFigure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	t.Setenv(testreport.Variable, path)
	testreport.Add(t, "operations", 40)
	testreport.Add(t, "operations", 2)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "operations\t40\noperations\t2\n", string(content))

	t.Setenv(testreport.Variable, "")
	testreport.Add(t, "operations", 1) // goes nowhere
}
