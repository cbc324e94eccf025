package server_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Mass assignment: a good request with one member more than its schema has, in every object of its body. The surplus is
// any name that any schema of the document has (so ids, times, roles, hashes are among them), columns that no schema
// shows, a known name in another case, and a known name twice. Each is refused, and nothing is changed.
func TestMassAssignment_surplusMembersAreRefusedOnEveryWriteAndNothingChanges(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		if op.Spec.RequestBody == nil {
			return
		}
		media := op.Spec.RequestBody.Value.Content["application/json"]
		before := h.digest()
		for name, example := range media.Examples {
			for _, place := range objectsIn(media.Schema.Value, example.Value.Value, nil) {
				for _, surplus := range surplusFor(h.contract, place) {
					body := surplus.into(t, example.Value.Value, place)
					got := h.do(h.callFor(op, shape{}, body))
					sent.Add(1)
					assert.Equal(t, http.StatusBadRequest, got.Status, "%s at %v: %s\n%s", name, place.path, body, got.Raw)
					for _, f := range got.faults() {
						if f.Code != "maxProperties" { // where one member is all, the surplus is also one too many
							assert.Equal(t, surplus.code, f.Code, "%s: refused for another reason: %s", body, got.Raw)
						}
					}
				}
			}
		}
		assert.Equal(t, before, h.digest(), "something was written")
	})
	t.Cleanup(func() {
		assert.Positive(t, sent.Load())
		t.Logf("%d requests with a surplus member, all refused, nothing changed", sent.Load())
	})
}

// place is an object in a body whose names are all known.
type place struct {
	path   []any
	schema *openapi3.Schema
	value  map[string]any
}

// objectsIn finds the objects in a value, the value itself included, but not those that may have any names.
func objectsIn(schema *openapi3.Schema, value any, path []any) []place {
	var places []place
	switch v := value.(type) {
	case map[string]any:
		if len(schema.Properties) == 0 {
			return nil
		}
		places = append(places, place{path, schema, v})
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if ref := schema.Properties[name]; ref != nil {
				places = append(places, objectsIn(ref.Value, v[name], append(slices.Clone(path), name))...)
			}
		}
	case []any:
		for i, item := range v {
			places = append(places, objectsIn(schema.Items.Value, item, append(slices.Clone(path), i))...)
		}
	}
	return places
}

// surplus is one more member of an object.
type surplus struct {
	name  string
	value any
	code  string
}

// hiddenColumns are columns that no schema shows.
var hiddenColumns = []string{
	"tenantId", "tenant_id", "passwordHash", "password_hash", "isAdmin", "is_active", "token_hash", "expires_at", "ended_at", "aadhar_digest", "created_at", "__proto__",
}

func surplusFor(c *contract.Contract, p place) []surplus {
	names := map[string]bool{}
	for _, name := range hiddenColumns {
		names[name] = true
	}
	for _, schema := range c.Document.Components.Schemas {
		for name := range schema.Value.Properties {
			names[name] = true
		}
	}
	var all []surplus
	for name := range names {
		if p.schema.Properties[name] == nil {
			all = append(all, surplus{name: name, value: valueFor(name), code: apperr.CodeAdditionalProperties})
		}
	}
	for name, value := range p.value {
		for _, other := range []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], name + " ", "\u212A" + name} {
			if other != name {
				all = append(all, surplus{name: other, value: value, code: apperr.CodeAdditionalProperties})
			}
		}
		all = append(all, surplus{name: name, value: value, code: "duplicateKey"})
	}
	return all
}

// valueFor is what somebody would like to assign.
func valueFor(name string) any {
	switch {
	case strings.HasSuffix(strings.ToLower(name), "id"):
		return "01900000-0000-7000-8000-00000000beef"
	case strings.HasPrefix(name, "is"):
		return true
	case name == "roles", name == "permissions":
		return []any{"admin"}
	}
	return "active"
}

// into is the body with the surplus member at a place, as JSON: a map cannot have a name twice.
func (s surplus) into(t *testing.T, body any, at place) []byte {
	t.Helper()
	const marker = "surplus-goes-here"
	changed := replaceAt(body, at.path, func(object map[string]any) map[string]any {
		copied := maps.Clone(object)
		copied[marker] = s.value
		return copied
	})
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(changed))
	name, err := json.Marshal(s.name)
	require.NoError(t, err)
	return bytes.Replace(raw.Bytes(), []byte(`"`+marker+`"`), name, 1)
}

// replaceAt copies a value with the object at a path changed.
func replaceAt(value any, path []any, change func(map[string]any) map[string]any) any {
	if len(path) == 0 {
		return change(value.(map[string]any))
	}
	switch at := path[0].(type) {
	case string:
		copied := maps.Clone(value.(map[string]any))
		copied[at] = replaceAt(copied[at], path[1:], change)
		return copied
	default:
		copied := slices.Clone(value.([]any))
		copied[at.(int)] = replaceAt(copied[at.(int)], path[1:], change)
		return copied
	}
}
