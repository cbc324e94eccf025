package server_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The program and its types are compiled by `make client-ts`, strictly, before the tests.
func TestTypeScriptClient_runsTheExample(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	program := filepath.Join("..", "..", "docs", "client-typescript", "dist", "example.js")
	require.FileExists(t, program, "run `make client-ts` first")
	output, err := exec.CommandContext(t.Context(), "node", program, h.url).CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, line := range []string{
		"signed in as Ravi Kapoor",
		"fault: dateOfBirth: Invalid date; use YYYY-MM-DD",
		"fault: email: Invalid email",
		"no answer: the connection broke; trying again with the same key",
		"admitted Diya D'Souza, as the lost answer said",
		"blood group not known",
		"the new one once",
	} {
		assert.Contains(t, string(output), line)
	}
}
