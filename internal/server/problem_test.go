package server

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestProblems_everyKindHasAnAnswerAndALineInTheDocs(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/problems.md")
	require.NoError(t, err)
	for kind := apperr.Internal; kind <= apperr.Canceled; kind++ {
		p, known := problemKinds[kind]
		require.True(t, known, "%s", kind)
		assert.Contains(t, string(docs), "`/problems/"+p.name+"` | "+strconv.Itoa(p.status)+" |", "%s", kind)
	}
}
