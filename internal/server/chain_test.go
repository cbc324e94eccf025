package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
)

func TestChain_isInOrderAndPutTogetherOnce(t *testing.T) {
	t.Parallel()
	var way []string
	made := 0
	step := func(name string) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			made++
			return func(c echo.Context) error {
				way = append(way, name)
				return next(c)
			}
		}
	}
	handler := func(name string) echo.HandlerFunc {
		return func(c echo.Context) error {
			way = append(way, name)
			return c.NoContent(http.StatusNoContent)
		}
	}
	e := echo.New()
	e.Use(everywhere(step("first"), step("second")))
	e.GET("/a", handler("a"), before(step("before a"), step("close to a"))...)
	e.GET("/b", handler("b"), before(step("before b"))...)
	for range 3 {
		for path, want := range map[string][]string{
			"/a": {"first", "second", "before a", "close to a", "a"}, "/b": {"first", "second", "before b", "b"}, "/c": {"first", "second"},
		} {
			way = nil
			e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			assert.Equal(t, want, way, path)
		}
	}
	assert.Equal(t, 5, made)
}

func TestBegin_takesHarmlessIDsOnly(t *testing.T) {
	t.Parallel()
	long := make([]byte, 65)
	for i := range long {
		long[i] = 'a'
	}
	for id, want := range map[string]bool{
		"a": true, "AZaz09_-": true, string(long[:64]): true, string(long): false, "": false, "a b": false, "a\n": false, "ä": false, "a;b": false, "{id}": false,
	} {
		assert.Equal(t, want, acceptableRequestID(id), "%q", id)
	}
}
