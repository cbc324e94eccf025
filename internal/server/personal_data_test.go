package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// canaries are personal data of each kind that x-pii knows, to be looked for where they must not be.
var canaries = map[string]string{
	"name": "Canaryname", "email": "canary@canary-mail.example", "phone": "+99 99999 77777", "birth": "1987-06-05",
	"national-id": "987698769876", "address": "77 Canary Wharf Lane", "secret": "a canary secret 77",
}

// Every operation that takes a body gets personal data in every member that the document marks as such: in a good
// request, in the same again (which collides), and in requests with one fault each.
func TestPersonalData_isNeitherInTheLogNorInErrors(t *testing.T) {
	t.Parallel()
	var sent, planted atomic.Int64
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		if op.Spec.RequestBody == nil {
			return
		}
		media := op.Spec.RequestBody.Value.Content["application/json"]
		for _, example := range media.Examples {
			good := plant(t, media.Schema.Value, example.Value.Value, &planted)
			requests := append([]any{good, good}, broken(t, good)...)
			for _, body := range requests {
				got := h.do(h.callFor(op, shape{}, body))
				if got.Status >= http.StatusBadRequest {
					assertNoCanary(t, string(got.Raw), "the answer")
				}
			}
			sent.Add(int64(len(requests)))
		}
		assertNoCanary(t, h.log.String(), "the log")
	})
	t.Cleanup(func() {
		assert.Positive(t, planted.Load(), "nothing was planted: the test shows nothing")
		t.Logf("%d requests with %d pieces of personal data, none of it in the log or in an error", sent.Load(), planted.Load())
	})
}

func assertNoCanary(t *testing.T, text, where string) {
	t.Helper()
	for kind, canary := range canaries {
		assert.NotContains(t, strings.ToLower(text), strings.ToLower(canary), "%s in %s", kind, where)
	}
}

// plant copies a value with a canary in every member that is marked.
func plant(t *testing.T, schema *openapi3.Schema, value any, planted *atomic.Int64) any {
	t.Helper()
	if kind, marked := schema.Extensions["x-pii"].(string); marked {
		require.Contains(t, canaries, kind, "a new kind of personal data needs a canary")
		planted.Add(1)
		return canaries[kind]
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = member
			if ref := schema.Properties[name]; ref != nil && member != nil {
				out[name] = plant(t, ref.Value, member, planted)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = plant(t, schema.Items.Value, item, planted)
		}
		return out
	}
	return value
}

// broken are requests with one fault each, personal data beside it and in it.
func broken(t *testing.T, good any) []any {
	t.Helper()
	object := good.(map[string]any)
	var bodies []any
	for name := range object {
		for _, wrong := range []any{map[string]any{canaries["name"]: canaries["email"]}, []any{canaries["phone"]}, canaries["email"] + "\u0000", strings.Repeat(canaries["national-id"], 100)} {
			changed := maps.Clone(object)
			changed[name] = wrong
			bodies = append(bodies, changed)
		}
	}
	raw, err := json.Marshal(good)
	require.NoError(t, err)
	return append(bodies, raw[:len(raw)-1], append(raw, raw...))
}
