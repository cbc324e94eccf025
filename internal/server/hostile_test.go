package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// hostileBodies are bodies that no operation may take, whatever its schema.
var hostileBodies = map[string]struct {
	body        string
	contentType string
	status      int
}{
	"empty":                      {"", "application/json", http.StatusBadRequest},
	"not JSON":                   {"{", "application/json", http.StatusBadRequest},
	"two values":                 {`{} {}`, "application/json", http.StatusBadRequest},
	"trailing bytes":             {`{}x`, "application/json", http.StatusBadRequest},
	"duplicate keys":             {`{"a":1,"a":2}`, "application/json", http.StatusBadRequest},
	"unknown field":              {`{"isAdmin":true}`, "application/json", http.StatusBadRequest},
	"NUL":                        {`{"firstName":"a\u0000b"}`, "application/json", http.StatusBadRequest},
	"lone surrogate":             {`{"firstName":"\ud800"}`, "application/json", http.StatusBadRequest},
	"invalid UTF-8":              {"{\"firstName\":\"\xff\"}", "application/json", http.StatusBadRequest},
	"nested 9,000 deep":          {strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "application/json", http.StatusBadRequest},
	"nested objects 9,000 deep":  {strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "application/json", http.StatusBadRequest},
	"null":                       {"null", "application/json", http.StatusBadRequest},
	"a list":                     {"[]", "application/json", http.StatusBadRequest},
	"a number with a huge power": {`{"rollNumber":1e999999999}`, "application/json", http.StatusBadRequest},
	"wrong content type":         {"firstName=a", "application/x-www-form-urlencoded", http.StatusUnsupportedMediaType},
	"no content type":            {"{}", "", http.StatusUnsupportedMediaType},
	"text in another charset":    {"{}", "application/json; charset=utf-16", http.StatusUnsupportedMediaType},
}

func TestHostile_everyOperationWithABodyRefusesBadBodiesAndWritesNothing(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		before := h.digest()
		if op.Spec.RequestBody == nil {
			got := h.do(withBody(h, op, `{"a":1}`, "application/json"))
			assert.Equal(t, http.StatusBadRequest, got.Status, "a body that the operation does not take")
		} else {
			for name, c := range hostileBodies {
				got := h.do(withBody(h, op, c.body, c.contentType))
				status := c.status
				if int64(len(c.body)) > op.MaxBodyBytes {
					status = http.StatusRequestEntityTooLarge
				}
				assert.Equal(t, status, got.Status, "%s: %s", name, got.Raw)
				assertProblem(t, got)
			}
			tooLong := strings.Repeat(" ", int(op.MaxBodyBytes)) + "{}"
			got := h.do(withBody(h, op, tooLong, "application/json"))
			assert.Equal(t, http.StatusRequestEntityTooLarge, got.Status)
			assertProblem(t, got)
		}
		assert.Equal(t, before, h.digest(), "something was written")
	})
}

func withBody(h *harness, op *contract.Operation, body, contentType string) call {
	c := h.callFor(op, shape{}, body)
	c.Header = map[string]string{"Content-Type": contentType}
	return c
}

func assertProblem(t *testing.T, a answer) {
	t.Helper()
	assert.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	assert.EqualValues(t, a.Status, a.get("status"))
	assert.NotEmpty(t, a.get("requestId"))
	assert.Less(t, len(a.Raw), 16<<10, "an answer must not grow with the request")
}

func TestHostile_everyOperationRefusesBadQueriesAndPaths(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		before := h.digest()
		var body any
		if op.Spec.RequestBody != nil {
			body = `{"nonsense":1}`
		}
		plain := h.callFor(op, shape{}, body)
		for _, query := range []string{"unknown=1", "%zz=1", "page=1&page=2", "limit=5&limit=5000", "q=%00", "q=%ff", "Page=1", "page=1;limit=2"} {
			c := plain
			c.Path += "?" + query
			got := h.do(c)
			assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", query, got.Raw)
		}
		if strings.Contains(op.Path, "{") {
			for _, segment := range []string{"17", "01900000-0000-7000-8000-00000000060g", "%00", "{01900000-0000-7000-8000-000000000601}", "..%2f..", strings.Repeat("9", 3000)} {
				c := plain
				before, after, _ := strings.Cut(op.Path, "{")
				_, after, _ = strings.Cut(after, "}")
				c.Path = before + segment + after
				got := h.do(c)
				assert.True(t, got.Status == http.StatusBadRequest || got.Status == http.StatusNotFound, "%s: %d %s", segment, got.Status, got.Raw)
				assertProblem(t, got)
			}
		}
		assert.Equal(t, before, h.digest(), "something was written")
	})
}

func TestHostile_aChunkedBodyIsCutOffAtTheLimit(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/v1/students", &endless{left: 2 << 20})
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+h.token("admin"))
	response, err := h.client.Do(request)
	if err != nil {
		return // the server may close the connection while the client is still sending
	}
	defer func() { _ = response.Body.Close() }()
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

// endless is a body of unknown length.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, http.ErrBodyReadAfterClose
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = ' '
	}
	e.left -= n
	return n, nil
}

func TestHostile_unknownPathsAndMethodsAreProblems(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for path, status := range map[string]int{"/v1/nope": 404, "/": 404, "/v1/students/": 404, "//v1/students": 404} {
		got := h.do(call{Method: http.MethodGet, Path: path})
		assert.Equal(t, status, got.Status, path)
		assertProblem(t, got)
	}
}

func TestHostile_everyMethodThatAPathDoesNotHaveIs405WithThoseThatItHas(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	methods := map[string][]string{}
	for _, op := range h.contract.Operations {
		methods[op.Path] = append(methods[op.Path], op.Method)
	}
	for path, own := range methods {
		allowed := append([]string{http.MethodOptions}, own...)
		options := h.do(call{Method: http.MethodOptions, Path: path})
		assert.Equal(t, http.StatusNoContent, options.Status, path)
		assert.ElementsMatch(t, allowed, strings.Split(options.Header.Get("Allow"), ", "), "OPTIONS %s", path)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if slices.Contains(own, method) {
				continue
			}
			got := h.do(call{Method: method, Path: path})
			assert.Equal(t, http.StatusMethodNotAllowed, got.Status, "%s %s", method, path)
			assert.ElementsMatch(t, allowed, strings.Split(got.Header.Get("Allow"), ", "), "%s %s", method, path)
			assertProblem(t, got)
		}
	}
}

func TestHead_answersAsGetWithoutTheBody(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	for path, status := range map[string]int{"/livez": 200, "/openapi.json": 200, "/v1/students/" + asha: 200, "/v1/students/17": 400, "/nope": 404, "/v1/auth/login": 405} {
		got := h.do(call{Method: http.MethodHead, Path: path, Token: token, Header: map[string]string{"Accept": "text/plain"}})
		assert.Equal(t, status, got.Status, path)
		assert.Empty(t, got.Raw, path)
	}
}
