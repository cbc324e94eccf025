package replay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Coverage is how much of the chosen part of the document a run has sent and got. It is complete, or Missing says what it
// lacks.
type Coverage struct {
	Operations Count    `json:"operations"`
	Statuses   Count    `json:"statuses"` // documented ones, 5xx aside; those with a reason in x-no-example count as none
	Examples   Count    `json:"examples"` // of requests and of answers, good and bad
	Missing    []string `json:"missing"`
}

// Count is a part of a whole.
type Count struct {
	Covered int `json:"covered"`
	Total   int `json:"total"`
}

func (c *Count) add(covered bool) bool {
	c.Total++
	if covered {
		c.Covered++
	}
	return covered
}

// result gathers what was found of the chosen steps.
func (r *runner) result(chosen []*step) *Result {
	byOperation := map[*contract.Operation][]*step{}
	for _, st := range chosen {
		byOperation[st.op] = append(byOperation[st.op], st)
	}
	operations := slices.SortedFunc(maps.Keys(byOperation), func(a, b *contract.Operation) int {
		return cmp.Or(cmp.Compare(r.tagPlace(a), r.tagPlace(b)), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	result := &Result{BaseURL: r.BaseURL, Left: r.left, Requests: r.requests, Waited: r.waited}
	for _, op := range operations {
		o := &Operation{ID: op.ID, Method: op.Method, Path: op.Path, Tag: op.Tag}
		for _, st := range byOperation[op] {
			if done := r.done[st]; done != nil {
				o.Steps = append(o.Steps, done)
				if len(done.Failures) > 0 {
					result.Failures++
				}
			}
		}
		result.Operations = append(result.Operations, o)
		result.Coverage.addOperation(r, op, byOperation[op])
	}
	return result
}

// tagPlace is the place of an operation's tag in the document.
func (r *runner) tagPlace(op *contract.Operation) int {
	for i, tag := range r.Contract.Document.Tags {
		if tag.Name == op.Tag {
			return i
		}
	}
	return len(r.Contract.Document.Tags)
}

func (c *Coverage) addOperation(r *runner, op *contract.Operation, steps []*step) {
	sent := map[string]bool{}
	statuses := map[string]bool{}
	for _, st := range steps {
		if r.done[st] != nil {
			sent[st.exampleName()] = true
			statuses[strconv.Itoa(st.status)] = true
		}
	}
	c.Operations.add(len(sent) > 0)
	c.addStatuses(r.Contract, op, statuses)
	for _, name := range examplesIn(op) {
		if !c.Examples.add(sent[name]) {
			c.Missing = append(c.Missing, fmt.Sprintf("%s: example %s was not sent", op.ID, name))
		}
	}
}

func (c *Coverage) addStatuses(document *contract.Contract, op *contract.Operation, got map[string]bool) {
	excused := noExample(document, op)
	for _, status := range op.Spec.Responses.Keys() {
		switch {
		case strings.HasPrefix(status, "5"):
		case excused[status] != "" && got[status]:
			c.Missing = append(c.Missing, fmt.Sprintf("%s: x-no-example gives a reason for %s, and there is one", op.ID, status))
		case excused[status] == "" && !c.Statuses.add(got[status]):
			c.Missing = append(c.Missing, fmt.Sprintf("%s: no example gets %s; add one to x-negative-examples, or a reason to x-no-example", op.ID, status))
		}
	}
}

// noExample are the statuses that no request can be an example of, with the reasons.
func noExample(c *contract.Contract, op *contract.Operation) map[string]string {
	reasons := map[string]string{}
	for _, extensions := range []map[string]any{c.Document.Extensions, op.Spec.Extensions} {
		var own map[string]string
		if contract.Convert(extensions["x-no-example"], &own) == nil {
			maps.Copy(reasons, own)
		}
	}
	return reasons
}

// examplesIn are the names of all examples of an operation's requests and good answers.
func examplesIn(op *contract.Operation) []string {
	names := map[string]bool{}
	if op.Spec.RequestBody != nil {
		for _, content := range op.Spec.RequestBody.Value.Content {
			for name := range content.Examples {
				names[name] = true
			}
		}
	}
	for _, response := range successes(op) {
		for _, content := range response.Content {
			for name := range content.Examples {
				names[name] = true
			}
		}
	}
	var negatives map[string]any
	if contract.Convert(op.Spec.Extensions["x-negative-examples"], &negatives) == nil {
		for name := range negatives {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
