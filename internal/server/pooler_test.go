package server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/replay"
)

// Every example of the document, behind PgBouncer. make test-pooler runs all tests there.
func TestPgBouncer_examplesGetTheDocumentedResponsesBehindIt(t *testing.T) {
	t.Parallel()
	database := dbtest.NewFrom(t, "demo", seedDemo)
	h := newHarnessOn(t, database, db.Config{URL: database.Pooled(t), MaxConns: 4}, onTheTrueClock)
	result, err := replay.Run(t.Context(), replay.Config{BaseURL: h.url, Client: h.client, Contract: h.contract, Fresh: true})
	require.NoError(t, err)
	assertPassed(t, "behind PgBouncer", result)
}
