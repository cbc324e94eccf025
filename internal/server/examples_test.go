package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Every example of the document is sent to the real service on the demo school. A new operation or example is covered
// by being written in openapi.yaml.

// shape is how an example or a negative example deviates from the plain request to an operation.
type shape struct {
	Path    map[string]string `json:"path"`
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"`
}

func TestExamples_requestsGetTheDocumentedResponses(t *testing.T) {
	t.Parallel()
	forEachOperation(t, replay)
}

func TestExamples_badRequestsGetTheDocumentedErrorsAndWriteNothing(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		var examples map[string]negative
		decodeInto(t, op.Spec.Extensions["x-negative-examples"], &examples)
		require.NotEmpty(t, examples)
		for _, name := range slices.Sorted(maps.Keys(examples)) {
			t.Run(name, func(t *testing.T) { replayNegative(t, h.on(t), op, examples[name]) })
		}
	})
}

func forEachOperation(t *testing.T, test func(t *testing.T, h *harness, op *contract.Operation)) {
	t.Helper()
	c, err := document()
	require.NoError(t, err)
	for _, id := range slices.Sorted(maps.Keys(c.Operations)) {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.prepare(id)
			test(t, h, c.Operations[id])
		})
	}
}

// prepare gives the caller of the examples the second factor that some of them are about.
func (h *harness) prepare(operation string) {
	h.t.Helper()
	switch operation {
	case "verifyMfa", "disableMfa":
		h.secondFactor(demoUsers["admin"], true)
	case "activateMfa":
		h.secondFactor(demoUsers["admin"], false)
	}
}

// on is the harness for a subtest.
func (h *harness) on(t *testing.T) *harness {
	copied := *h
	copied.t = t
	return &copied
}

func replayBodies(t *testing.T, h *harness, op *contract.Operation) {
	t.Helper()
	examples := op.Spec.RequestBody.Value.Content["application/json"].Examples
	require.NotEmpty(t, examples)
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		t.Run(name, func(t *testing.T) {
			status, want := responseExample(t, op, name)
			got := h.on(t).do(h.callFor(op, shape{}, examples[name].Value.Value))
			assert.Equal(t, status, got.Status, "%s", got.Raw)
			assertLike(t, want, got.JSON, "")
		})
	}
}

// replayPlain sends an operation without a body once for each example of its 2xx response, or once if that has no body.
func replayPlain(t *testing.T, h *harness, op *contract.Operation) {
	t.Helper()
	for status, response := range op.Spec.Responses.Map() {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		media := response.Value.Content["application/json"]
		if media == nil {
			assert.Equal(t, status, fmt.Sprint(h.do(h.callFor(op, shape{}, nil)).Status))
			continue
		}
		for name, example := range media.Examples {
			t.Run(name, func(t *testing.T) {
				var s shape
				decodeInto(t, example.Value.Extensions["x-request"], &s)
				got := h.on(t).do(h.callFor(op, s, nil))
				assert.Equal(t, status, fmt.Sprint(got.Status), "%s", got.Raw)
				assertLike(t, example.Value.Value, got.JSON, "")
			})
		}
	}
}

type negative struct {
	shape
	Request string          `json:"request"`
	Merge   json.RawMessage `json:"merge"`
	Body    json.RawMessage `json:"body"`
	Status  int             `json:"status"`
	Errors  []struct {
		In, Field, Code  string
		Pointer, Message *string
	} `json:"errors"`
}

func replayNegative(t *testing.T, h *harness, op *contract.Operation, n negative) {
	t.Helper()
	before := h.digest()
	got := h.do(h.callFor(op, n.shape, n.body(t, op)))
	assert.Equal(t, n.Status, got.Status, "%s", got.Raw)
	assert.Equal(t, before, h.digest(), "something was written")

	type key struct{ In, Field, Code string }
	want, have := map[key]bool{}, map[key]bool{}
	for i, e := range n.Errors {
		k := key{e.In, e.Field, e.Code}
		want[k] = true
		j := slices.IndexFunc(got.list("errors"), func(f any) bool {
			m := f.(map[string]any)
			return m["in"] == e.In && m["field"] == e.Field && m["code"] == e.Code
		})
		if j < 0 {
			continue // reported below
		}
		if e.Pointer != nil {
			assert.Equal(t, *e.Pointer, got.get("errors", j, "pointer"), "error %d", i)
		}
		if e.Message != nil {
			assert.Equal(t, *e.Message, got.get("errors", j, "message"), "error %d", i)
		}
	}
	for i := range got.list("errors") {
		have[key{fmt.Sprint(got.get("errors", i, "in")), fmt.Sprint(got.get("errors", i, "field")), fmt.Sprint(got.get("errors", i, "code"))}] = true
	}
	assert.Equal(t, want, have)
}

func (a answer) list(path ...any) []any {
	list, _ := a.get(path...).([]any)
	return list
}

// body is the example's own body, or a request example with a merge patch applied.
func (n negative) body(t *testing.T, op *contract.Operation) any {
	t.Helper()
	if n.Request == "" {
		if n.Body == nil {
			return nil
		}
		return []byte(n.Body)
	}
	example := op.Spec.RequestBody.Value.Content["application/json"].Examples[n.Request]
	require.NotNil(t, example, "no request example %q", n.Request)
	raw, err := json.Marshal(example.Value.Value)
	require.NoError(t, err)
	merged, err := jsonpatch.MergePatch(raw, n.Merge)
	require.NoError(t, err)
	return merged
}

// callFor is a request to an operation as an admin, with the path parameters' own examples unless the shape says others.
func (h *harness) callFor(op *contract.Operation, s shape, body any) call {
	path := op.Path
	for _, p := range pathParameters(h.contract, op) {
		value, given := s.Path[p.Name]
		if !given {
			value = firstExample(op, p)
		}
		path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
	}
	query := url.Values{}
	if s.Query == nil {
		query = requiredQuery(op)
	}
	for name, value := range s.Query {
		query.Set(name, value)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	c := call{Method: op.Method, Path: path, Body: body, Header: s.Headers}
	if !op.Public {
		c.Token = h.token("admin")
	}
	return c
}

// requiredQuery has the first example of each parameter of the query that must be there.
func requiredQuery(op *contract.Operation) url.Values {
	query := url.Values{}
	for _, p := range op.Spec.Parameters {
		if p.Value.In == openapi3.ParameterInQuery && p.Value.Required {
			query.Set(p.Value.Name, firstExample(op, p.Value))
		}
	}
	return query
}

func pathParameters(c *contract.Contract, op *contract.Operation) []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, list := range []openapi3.Parameters{c.Document.Paths.Value(op.Path).Parameters, op.Spec.Parameters} {
		for _, ref := range list {
			if ref.Value.In == openapi3.ParameterInPath {
				all = append(all, ref.Value)
			}
		}
	}
	return all
}

// firstExample is the parameter's first example; for a deletion the one named unused, where there is one.
func firstExample(op *contract.Operation, p *openapi3.Parameter) string {
	if unused := p.Examples["unused"]; unused != nil && op.Method == http.MethodDelete {
		return fmt.Sprint(unused.Value.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Examples)) {
		return fmt.Sprint(p.Examples[name].Value.Value)
	}
	return ""
}

func responseExample(t *testing.T, op *contract.Operation, name string) (int, any) {
	t.Helper()
	for status, response := range op.Spec.Responses.Map() {
		if media := response.Value.Content["application/json"]; strings.HasPrefix(status, "2") && media != nil {
			example := media.Examples[name]
			require.NotNil(t, example, "response %s has no example %q", status, name)
			var code int
			_, err := fmt.Sscan(status, &code)
			require.NoError(t, err)
			return code, example.Value.Value
		}
	}
	t.Fatalf("no 2xx response with JSON")
	return 0, nil
}

func decodeInto(t *testing.T, from, to any) {
	t.Helper()
	raw, err := json.Marshal(from)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, to))
}

var (
	tokenLike = regexp.MustCompile(`^(rc1\.[0-9a-f-]{36}\.[A-Za-z0-9_-]{43}|whsec_[A-Za-z0-9+/]{43}=)$`)
	hashLike  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// assertLike compares an answer with an example: the same members and values, except that what the server makes anew
// (ids, times, tokens, hashes, cursors) need only be of the same kind.
func assertLike(t *testing.T, want, got any, path string) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !assert.True(t, ok, "%s: want an object, got %v", path, got) {
			return
		}
		assert.ElementsMatch(t, slices.Collect(maps.Keys(w)), slices.Collect(maps.Keys(g)), "%s: members", path)
		for name := range w {
			assertLike(t, w[name], g[name], path+"/"+name)
		}
	case []any:
		g, ok := got.([]any)
		if !assert.True(t, ok, "%s: want a list, got %v", path, got) || !assert.Len(t, g, len(w), path) {
			return
		}
		for i := range w {
			assertLike(t, w[i], g[i], fmt.Sprintf("%s/%d", path, i))
		}
	case string:
		g, _ := got.(string)
		assert.True(t, g == w || sameKind(path, w, g), "%s: want %q, got %v", path, w, got)
	default:
		assert.EqualValues(t, want, got, path)
	}
}

func sameKind(path, want, got string) bool {
	if strings.HasSuffix(path, "/nextCursor") {
		return got != ""
	}
	_, wantTime := time.Parse(time.RFC3339, want)
	_, gotTime := time.Parse(time.RFC3339, got)
	name := path[strings.LastIndex(path, "/")+1:]
	madeAnew := uuid.Validate(want) == nil && uuid.Validate(got) == nil && slices.Contains([]string{"id", "userId", "studentId", "eventId"}, name)
	if slices.Contains([]string{"csrfToken", "secret", "otpauthUri"}, name) || strings.Contains(path, "/recoveryCodes/") {
		return len(want) == len(got)
	}
	return madeAnew || wantTime == nil && gotTime == nil || tokenLike.MatchString(want) && tokenLike.MatchString(got) || hashLike.MatchString(want) && hashLike.MatchString(got)
}
