package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Operation x foreign id: whatever a caller cannot see is to be answered, byte by byte, as what does not exist, wherever
// its id stands: in the path, in a filter, in a body. And no list or total may know of it. The operations, their
// parameters and bodies are taken from the document; the callers and what they see are below.

func TestForeign_idsInPathsAreAnsweredAsUnknownOnes(t *testing.T) {
	t.Parallel()
	forEachView(t, "in paths", func(v *view) (pairs int) {
		for _, op := range v.operations() {
			for _, p := range pathParameters(v.contract, op) {
				if p.Schema.Value.Format != "uuid" {
					continue
				}
				table := v.tableOf(p.Name)
				require.NotEmpty(v.t, table, "%s: of which table is %s?", op.ID, p.Name)
				body := v.bodies(op)[0]
				unknown := v.send(op.Method, v.path(op, p.Name, v.unknown), body)
				for _, id := range v.foreign(table) {
					got := v.send(op.Method, v.path(op, p.Name, id), body)
					assert.Equal(v.t, bytesOf(unknown), bytesOf(got), "%s with the id %s", op.ID, id)
					assert.Equal(v.t, http.StatusNotFound, got.Status, "%s with the id %s", op.ID, id)
					pairs++
				}
			}
		}
		return pairs
	})
}

func TestForeign_idsInFiltersAreAnsweredAsUnknownOnes(t *testing.T) {
	t.Parallel()
	forEachView(t, "in filters", func(v *view) (pairs int) {
		for _, op := range v.operations() {
			for _, p := range op.Spec.Parameters {
				if p.Value.In != openapi3.ParameterInQuery || v.tableOf(p.Value.Name) == "" {
					continue
				}
				ask := func(id string) answer {
					query := requiredQuery(op)
					query.Set(p.Value.Name, id)
					return v.send(op.Method, v.path(op, "", "")+"?"+query.Encode(), nil)
				}
				unknown := bytesOf(ask(v.unknown))
				for _, id := range v.foreign(v.tableOf(p.Value.Name)) {
					got := ask(id)
					assert.Equal(v.t, unknown, bytesOf(got), "%s with %s=%s", op.ID, p.Value.Name, id)
					assert.Empty(v.t, got.list("data"))
					pairs++
				}
			}
		}
		return pairs
	})
}

func TestForeign_idsInBodiesAreAnsweredAsUnknownOnes(t *testing.T) {
	t.Parallel()
	forEachView(t, "in bodies", func(v *view) (pairs int) {
		for _, op := range v.operations() {
			if op.Spec.RequestBody == nil {
				continue
			}
			for _, body := range v.bodies(op) {
				for _, at := range v.references(body) {
					unknown := bytesOf(v.send(op.Method, v.path(op, "", ""), at.with(v.unknown)))
					for _, id := range v.foreign(at.table) {
						if v.isIn(body, id) {
							continue // it would be there twice, which is another fault
						}
						got := v.send(op.Method, v.path(op, "", ""), at.with(id))
						assert.Equal(v.t, unknown, bytesOf(got), "%s with %s at %s", op.ID, id, at.place)
						assert.GreaterOrEqual(v.t, got.Status, 400)
						assert.Less(v.t, got.Status, 500)
						assert.NotEqual(v.t, http.StatusForbidden, got.Status, "%s with %s at %s: a row that is there", op.ID, id, at.place)
						pairs++
					}
				}
			}
		}
		return pairs
	})
}

// isIn reports whether an id stands in a body.
func (v *view) isIn(body any, id string) bool {
	raw, err := json.Marshal(body)
	require.NoError(v.t, err)
	return strings.Contains(string(raw), id)
}

// reference is a place in a body where an id stands.
type reference struct {
	table, place string
	with         func(id string) any // the body with this id there
}

// references finds them by the names of members: sectionId, and id in a list with the name of a table.
func (v *view) references(body any) (found []reference) {
	raw, err := json.Marshal(body)
	require.NoError(v.t, err)
	var walk func(value any, within, place string, with func(any) any)
	walk = func(value any, within, place string, with func(any) any) {
		switch value := value.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(value)) {
				walk(value[name], name, place+"/"+name, func(replaced any) any {
					copied := maps.Clone(value)
					copied[name] = replaced
					return with(copied)
				})
			}
			if list, _, isItem := strings.Cut(within, "[]"); isItem && slices.Contains(v.tables, list) && value["id"] != nil {
				found = append(found, reference{list, place + "/id", func(id string) any {
					copied := maps.Clone(value)
					copied["id"] = id
					return with(copied)
				}})
			}
		case []any:
			for i, item := range value {
				walk(item, within+"[]", fmt.Sprint(place, "/", i), func(replaced any) any {
					copied := slices.Clone(value)
					copied[i] = replaced
					return with(copied)
				})
			}
		case string:
			if table := v.tableOf(within); table != "" {
				found = append(found, reference{table, place, func(id string) any { return with(id) }})
			}
		}
	}
	var decoded any
	require.NoError(v.t, json.Unmarshal(raw, &decoded))
	walk(decoded, "", "", func(replaced any) any { return replaced })
	return found
}

// Everything that can be read, by an id that the viewer sees or by none, in every page and filter of the examples.
func TestForeign_listsAndTotalsKnowOnlyWhatIsSeen(t *testing.T) {
	t.Parallel()
	forEachView(t, "in answers", func(v *view) (answers int) {
		for _, op := range v.operations() {
			if op.Method != http.MethodGet {
				continue
			}
			for _, path := range v.readable(op) {
				got := v.send(op.Method, path, nil)
				require.Equal(v.t, http.StatusOK, got.Status, "%s: %s", path, got.Raw)
				assert.NotContains(v.t, string(got.Raw), "Canary", path)
				answers++
				table := strings.ReplaceAll(strings.TrimPrefix(op.Path, "/v1/"), "-", "_")
				if seen, limited := v.sees[table]; limited {
					assert.EqualValues(v.t, len(seen), got.get("page", "total"), path)
					assert.Len(v.t, got.list("data"), len(seen), path)
				}
			}
		}
		searched := v.send(http.MethodGet, "/v1/students?q=canary", nil)
		if v.sees != nil {
			assert.EqualValues(v.t, 0, searched.get("page", "total"))
		}
		return answers
	})
}

// readable are the paths of a GET with each id that the viewer sees.
func (v *view) readable(op *contract.Operation) []string {
	for _, p := range pathParameters(v.contract, op) {
		if seen := v.sees[v.tableOf(p.Name)]; seen != nil {
			paths := make([]string, len(seen))
			for i, n := range seen {
				paths[i] = v.path(op, p.Name, demoRow(n))
			}
			return paths
		}
	}
	query := requiredQuery(op)
	if op.Spec.Parameters.GetByInAndName(openapi3.ParameterInQuery, "limit") != nil {
		query.Set("limit", "100")
	}
	return []string{v.path(op, "", "") + "?" + query.Encode()}
}
