package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"

	"github.com/labstack/echo/v4"
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

func TestProblems_aFaultOfOursSaysNothingButItsRequestID(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]echo.HandlerFunc{
		"a panic":           func(echo.Context) error { panic("the secret of the panic") },
		"an unknown error":  func(echo.Context) error { return errors.New("the secret of the error") },
		"echo's own errors": func(echo.Context) error { return echo.NewHTTPError(http.StatusTeapot, "the secret of echo") },
		"an error's cause": func(echo.Context) error {
			return apperr.Wrap(apperr.Unavailable, "Busy.", errors.New("the secret cause"))
		},
	} {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		e := echo.New()
		e.HTTPErrorHandler = renderer{log: logger}.render
		e.Use(requestID, accessLog(logger), recovered, securityHeaders)
		e.GET("/", fail)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		assert.GreaterOrEqual(t, w.Code, 400, name)
		assert.NotContains(t, w.Body.String(), "secret", name)
		assert.NotContains(t, w.Body.String(), "goroutine", name)
		assert.Contains(t, w.Body.String(), w.Header().Get(echo.HeaderXRequestID), name)
		assert.Contains(t, log.String(), "secret", "%s: the log says why", name)
	}
}
