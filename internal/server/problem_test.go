package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestProblems_everyKindHasAnAnswerAndEveryAnswerAPage(t *testing.T) {
	t.Parallel()
	pages, err := newProblemPages() // fails for a row of docs/problems.md that no kind has, too
	require.NoError(t, err)
	e := echo.New()
	pages.register(e)
	for kind := apperr.Internal; kind <= apperr.Canceled; kind++ {
		p, known := problemKinds[kind]
		require.True(t, known, "%s", kind)
		for accept, wants := range map[string][2]string{
			"":                             {"text/markdown; charset=utf-8", "# " + strconv.Itoa(p.status) + " " + p.title + "\n"},
			"*/*":                          {"text/markdown; charset=utf-8", "`/problems/" + p.name + "`"},
			"text/html,*/*;q=0.8":          {"text/html; charset=UTF-8", "<h1>" + strconv.Itoa(p.status) + " " + p.title + "</h1>"},
			"application/json, text/plain": {"text/markdown; charset=utf-8", "[All problems](/problems)"},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/problems/"+p.name, nil)
			r.Header.Set(echo.HeaderAccept, accept)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			assert.Equal(t, http.StatusOK, w.Code, p.name)
			assert.Equal(t, wants[0], w.Header().Get(echo.HeaderContentType), "%s for %q", p.name, accept)
			assert.Contains(t, w.Body.String(), wants[1], "%s for %q", p.name, accept)
			assert.Equal(t, "Accept", w.Header().Get(echo.HeaderVary))
		}
	}
	assert.Len(t, pages, len(problemKinds)+1, "the list of all is one more")
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
		e.Use(begin, accessLog(logger), recovered, securityHeaders)
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
