package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/replay"
)

// replayed runs `rollcall replay` as a tester would.
func replayed(t *testing.T, args ...string) (output string, exitCode int) {
	t.Helper()
	return run(t, "", nil, append([]string{"replay"}, args...)...)
}

func TestReplay_againstTheDemoServer(t *testing.T) {
	t.Parallel()
	s := startDev(t, openDir(t), "127.0.0.1:0", "ROLLCALL_RATE_LIMIT_SCALE=1000", "ROLLCALL_VALIDATE_RESPONSES=1")
	defer s.stop()

	junit := filepath.Join(t.TempDir(), "replay.xml")
	out, code := replayed(t, "--base-url", s.url+"/", "--junit", junit)
	require.Zero(t, code, out)
	assert.Contains(t, out, "Document: this program's, which is the server's too.")
	assert.Contains(t, out, "✓ admitStudent")
	assert.Contains(t, out, "passed: ")
	report, err := os.ReadFile(junit)
	require.NoError(t, err)
	assert.Contains(t, string(report), `<testsuites name="rollcall replay"`)
	assert.Contains(t, string(report), `failures="0"`)

	out, code = replayed(t, "--base-url", s.url, "--tag", "academic", "--document", "served", "--json")
	require.Zero(t, code, out)
	var result replay.Result
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	assert.Equal(t, "academic", result.Operations[0].Tag)
	assert.Equal(t, result.Coverage.Operations.Total, result.Coverage.Operations.Covered)

	for wrong, args := range map[string][]string{
		replay.ErrNothingChosen.Error(): {"--operation", "nosuch"}, "want built-in or served": {"--document", "mine"},
	} {
		out, code = replayed(t, append([]string{"--base-url", s.url}, args...)...)
		assert.Equal(t, 1, code)
		assert.Contains(t, out, wrong)
	}
	assert.Contains(t, s.get("/problems/not-found"), "# 404 Not found")
	assert.Contains(t, s.get("/metrics"), `rollcall_responses_validated_total{valid="true"}`)
	assert.NotContains(t, s.get("/metrics"), `rollcall_responses_validated_total{valid="false"}`)
}

func TestReplay_saysWhatIsWrongWithTheServer(t *testing.T) {
	t.Parallel()
	out, code := replayed(t)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "base-url")
	document, err := contract.Load()
	require.NoError(t, err)
	serves := http.NewServeMux()
	server := httptest.NewServer(serves)
	t.Cleanup(server.Close)
	out, _ = replayed(t, "--base-url", server.URL)
	assert.Contains(t, out, "is this a Rollcall server?")

	// One that knows the document and nothing else: everything differs, and the exit code says so.
	serves.HandleFunc("/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.ReplaceAll(document.JSON, []byte(`"operationId":"getClass"`), []byte(`"operationId":"readClass"`)))
	})
	out, code = replayed(t, "--base-url", server.URL, "--operation", "getSession")
	assert.Equal(t, 1, code, "for CI")
	assert.Contains(t, out, "WARNING: the server has another one: only the server has readClass; the server lacks getClass.")
	assert.Contains(t, out, "✗ getSession")
	assert.Contains(t, out, "FAILED")
}
