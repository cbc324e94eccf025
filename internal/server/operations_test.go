package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// What the tests that go through all operations of the document have in common.

// shape is how an example or a negative example deviates from the plain request to an operation.
type shape struct {
	Path    map[string]string `json:"path"`
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"`
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

func (a answer) list(path ...any) []any {
	list, _ := a.get(path...).([]any)
	return list
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

// operationOf is the operation of a request, in the document's order of segments: a plain one before a parameter.
func operationOf(c *contract.Contract, r *http.Request) *contract.Operation {
	found := &contract.Operation{}
	for _, op := range c.Operations {
		if op.Method == r.Method && pathMatches(op.Path, r.URL.Path) && (found.ID == "" || strings.Count(op.Path, "{") < strings.Count(found.Path, "{")) {
			found = op
		}
	}
	return found
}

func pathMatches(template, path string) bool {
	wanted, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(wanted, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") })
}
