package replay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// negative is an entry of x-negative-examples.
type negative struct {
	Request string          `json:"request"`
	Merge   json.RawMessage `json:"merge"`
	Body    json.RawMessage `json:"body"`
	Status  int             `json:"status"`
	Errors  []fault         `json:"errors"`
}

// negativesOf are the bad requests of an operation.
func negativesOf(op *contract.Operation, examples []*step) ([]*step, error) {
	var all map[string]any
	if err := contract.Convert(op.Spec.Extensions["x-negative-examples"], &all); err != nil {
		return nil, fmt.Errorf("x-negative-examples: %w", err)
	}
	var steps []*step
	for _, name := range slices.Sorted(maps.Keys(all)) {
		st, err := negativeStep(op, examples, name, all[name])
		if err != nil {
			return nil, fmt.Errorf("x-negative-examples %s: %w", name, err)
		}
		steps = append(steps, st)
	}
	return steps, nil
}

func negativeStep(op *contract.Operation, examples []*step, name string, entry any) (*step, error) {
	var n negative
	if err := contract.Convert(entry, &n); err != nil {
		return nil, err
	}
	st := &step{op: op, kind: Negative, name: name, status: n.Status, faults: n.Errors}
	base, err := baseOf(op, examples, n.Request)
	if err != nil {
		return nil, err
	}
	st.request = base.clone()
	st.request.body, st.request.hasBody = nil, false
	if err := st.request.overlay(entry); err != nil {
		return nil, err
	}
	return st, st.request.fill(n, base)
}

// baseOf is the example that a bad request is made of: the one that it names, or the plain request of whoever sends the
// first one.
func baseOf(op *contract.Operation, examples []*step, name string) (message, error) {
	for _, e := range examples {
		if e.name == name {
			return e.request, nil
		}
	}
	var m message
	if len(examples) > 0 {
		m.As = examples[0].request.As
	}
	return m, m.read(nil, op)
}

// fill makes the body: an example with a patch merged in, or one of its own.
func (m *message) fill(n negative, base message) error {
	raw := []byte(n.Body)
	if n.Request != "" {
		var err error
		if raw, err = json.Marshal(base.body); err != nil {
			return err
		}
		if len(n.Merge) > 0 {
			if raw, err = jsonpatch.MergePatch(raw, n.Merge); err != nil {
				return fmt.Errorf("merge: %w", err)
			}
		}
	}
	if len(raw) == 0 {
		return nil
	}
	m.hasBody = true
	return json.Unmarshal(raw, &m.body)
}

func (m *message) clone() message {
	copied := *m
	copied.Path, m.Query, m.Headers = maps.Clone(m.Path), maps.Clone(m.Query), maps.Clone(m.Headers)
	return copied
}

// overlay puts an entry's path, query, headers and sign-in over those of the base.
func (m *message) overlay(entry any) error {
	var own message
	if err := contract.Convert(entry, &own); err != nil {
		return err
	}
	for _, pair := range []struct {
		to  *map[string]string
		own map[string]string
	}{{&m.Path, own.Path}, {&m.Query, own.Query}, {&m.Headers, own.Headers}} {
		if *pair.to == nil {
			*pair.to = map[string]string{}
		}
		maps.Copy(*pair.to, pair.own)
	}
	m.As, m.After = cmp.Or(own.As, m.As), cmp.Or(own.After, m.After)
	return nil
}

// exampleName is the name in the document: several media types share it.
func (st *step) exampleName() string {
	name, _, _ := strings.Cut(st.name, " as ")
	return name
}
