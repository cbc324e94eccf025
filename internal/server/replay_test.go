package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/replay"
)

// Every example of the document is sent to the real service on the demo school, in the order that the document implies:
// first on a school that is as it was seeded, then again on what the first run has left. A new operation or example is
// covered by being written in openapi.yaml.
func TestReplay_theWholeDocumentTwiceOnOneServer(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for run, fresh := range []bool{true, false} {
		result, err := replay.Run(t.Context(), replay.Config{
			BaseURL: h.url, Client: h.client, Contract: h.contract, Fresh: fresh, Snapshot: func() any { return h.digest() },
		})
		require.NoError(t, err)
		assertPassed(t, fmt.Sprint("run ", run+1), result)
	}
}

func assertPassed(t *testing.T, which string, result *replay.Result) {
	t.Helper()
	var out strings.Builder
	result.WriteText(&out, "")
	t.Log(which + "\n" + out.String())
	assert.True(t, result.Passed(), which)
}
