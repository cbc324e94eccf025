package server_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// pooledSample is which operations are tried behind PgBouncer in any case: lists, and what writes most at once.
// make test-pooler runs all tests there.
var pooledSample = regexp.MustCompile(`^(list|admit|update)`)

func TestPgBouncer_examplesGetTheDocumentedResponsesBehindIt(t *testing.T) {
	t.Parallel()
	c, err := document()
	require.NoError(t, err)
	tried := 0
	for id, op := range c.Operations {
		if !pooledSample.MatchString(id) {
			continue
		}
		tried++
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			database := dbtest.NewFrom(t, "demo", seedDemo)
			replay(t, newHarnessOn(t, database, db.Config{URL: database.Pooled(t), MaxConns: 4}), op)
		})
	}
	require.Greater(t, tried, 10)
}

// replay sends the examples of an operation.
func replay(t *testing.T, h *harness, op *contract.Operation) {
	t.Helper()
	if op.Spec.RequestBody != nil {
		replayBodies(t, h, op)
		return
	}
	replayPlain(t, h, op)
}
