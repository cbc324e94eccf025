package server_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract/violation"
	"github.com/rollcall-erp/rollcall/internal/testreport"
)

// For every constraint that the document puts on a request there is one that breaks it and nothing else: it is refused with
// exactly the fault's place and code, and nothing is written. The constraints are found in the schemas alone.
func TestConstraints_eachIsCaughtByItselfAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	set, constraints := violation.Of(h.contract), violation.Constraints(h.contract)
	exercised, caught := map[violation.Constraint]bool{}, map[violation.Constraint]bool{}
	alone := 0
	for id, cases := range byOperation(set.Broken) {
		before := h.digest()
		for _, c := range cases {
			got := h.sendCase(token, c)
			exercised[c.Constraint] = true
			if assert.Equal(t, http.StatusBadRequest, got.Status, "%+v\n%s\n%s", c.Constraint, got.Raw, marshal(t, c.Body)) &&
				assert.Equal(t, sortedFaults(c.Faults), sortedFaults(faultsOf(got)), "%+v: %s", c.Constraint, marshal(t, c.Body)) {
				caught[c.Constraint] = true
			}
			if len(c.Faults) == 1 {
				alone++
			}
		}
		assert.Equal(t, before, h.digest(), "%s: something was written", id)
	}
	t.Logf("constraints: %d in the document, %d exercised, %d caught; %d of %d requests break one alone", len(constraints), len(exercised), len(caught), alone, len(set.Broken))
	testreport.Add(t, "constraints exercised", len(exercised))
	testreport.Add(t, "constraints caught", len(caught))
	testreport.Add(t, "failures", len(constraints)-len(caught))
	assert.ElementsMatch(t, constraints, slices.Collect(maps.Keys(exercised)), "in the document, and exercised")
	assert.ElementsMatch(t, constraints, slices.Collect(maps.Keys(caught)), "in the document, and caught")
}

// And the reverse: a value that just keeps a constraint breaks none. What is stored may still speak against it.
func TestConstraints_whatJustKeepsThemIsAccepted(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	set := violation.Of(h.contract)
	for _, c := range set.Kept {
		h.db.Exec(t, `update `+h.schema()+`.students set custom_fields = '{}'`) // a patch is merged into them, and limits hold for both
		got := h.sendCase(token, c)
		assert.Less(t, got.Status, http.StatusInternalServerError, "%+v: %s", c.Constraint, got.Raw)
		if got.Status != http.StatusBadRequest {
			continue
		}
		for _, f := range faultsOf(got) {
			assert.NotContains(t, c.Kept, f, "%+v: %s\n%s", c.Constraint, got.Raw, marshal(t, c.Body))
		}
	}
	assert.NotEmpty(t, set.Kept)
	t.Logf("%d values that just keep a constraint", len(set.Kept))
}

func byOperation(cases []violation.Case) map[string][]violation.Case {
	grouped := map[string][]violation.Case{}
	for _, c := range cases {
		grouped[c.Operation] = append(grouped[c.Operation], c)
	}
	return grouped
}

func (h *harness) sendCase(token string, c violation.Case) answer {
	h.t.Helper()
	query := url.Values{}
	for _, pair := range c.Query {
		query.Add(pair[0], pair[1])
	}
	var body []byte
	if c.HasBody {
		body = marshal(h.t, c.Body)
	}
	request, err := http.NewRequestWithContext(h.t.Context(), c.Method, h.url+c.Path+"?"+query.Encode(), bytes.NewReader(body))
	require.NoError(h.t, err)
	for _, pair := range c.Headers {
		request.Header.Add(pair[0], pair[1])
	}
	if h.contract.Operations[c.Operation].Spec.RequestBody != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if !h.contract.Operations[c.Operation].Public {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return h.send(request)
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	return raw
}

func faultsOf(a answer) []violation.Fault {
	var list []violation.Fault
	for i := range a.list("errors") {
		f := violation.Fault{In: apperr.Location(a.get("errors", i, "in").(string)), Place: a.get("errors", i, "field").(string), Keyword: a.get("errors", i, "code").(string)}
		if f.In == apperr.Body {
			f.Place = a.get("errors", i, "pointer").(string)
		}
		list = append(list, f)
	}
	return list
}

func sortedFaults(faults []violation.Fault) []violation.Fault {
	unique := map[violation.Fault]bool{}
	for _, f := range faults {
		unique[f] = true
	}
	return slices.SortedFunc(maps.Keys(unique), func(a, b violation.Fault) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Keyword, b.Keyword))
	})
}
