package replay

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// script is the document as steps, in the order in which they can be sent.
type script struct {
	contract *contract.Contract
	steps    []*step
	logins   map[string]*step // the examples of sign-ins, by name
	makers   map[string]*step // by a literal that the step makes
	anchored map[string]bool  // literals that requests name without an example having made them
}

// step is one request and the answer that it must get.
type step struct {
	op      *contract.Operation
	kind    Kind
	name    string
	request message
	as      string // the sign-in example to send it as; "" by permission; nobody without any
	status  int
	want    any              // the answer's example; nil when it has no body
	schema  *openapi3.Schema // of want
	faults  []fault          // of a negative example
	makes   []string         // literals that it makes
	after   []*step          // those that must have run before
}

const nobody = "nobody"

// message is a request as the document has it.
type message struct {
	Path    map[string]string `json:"path"`
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"`
	As      string            `json:"as"`
	After   string            `json:"after"` // the operation whose examples must have run before

	body      any // JSON; nil when there is none
	hasBody   bool
	mediaType string
	raw       string // sent instead of body
}

// fault is one entry of errors.
type fault struct {
	In      string  `json:"in"`
	Field   string  `json:"field"`
	Code    string  `json:"code"`
	Pointer *string `json:"pointer"`
	Message *string `json:"message"`
}

func (st *step) String() string { return st.op.ID + "/" + st.name }

func newScript(c *contract.Contract) (*script, error) {
	s := &script{contract: c, logins: map[string]*step{}, makers: map[string]*step{}, anchored: map[string]bool{}}
	operations := slices.SortedFunc(maps.Values(c.Operations), func(a, b *contract.Operation) int { return cmp.Compare(a.ID, b.ID) })
	if err := s.readExamples(operations); err != nil {
		return nil, err
	}
	if err := s.readNegatives(operations); err != nil {
		return nil, err
	}
	s.findMakers()
	s.deleteWhatWasMade()
	for _, op := range operations {
		s.steps = append(s.steps, s.probesOf(op)...)
	}
	s.findNeeds()
	return s, s.sort()
}

// readExamples reads the good requests. One that is called as a sign-in is sent as that one, if it may.
func (s *script) readExamples(operations []*contract.Operation) error {
	for _, op := range operations {
		examples, err := examplesOf(op)
		if err != nil {
			return fmt.Errorf("%s: %w", op.ID, err)
		}
		s.steps = append(s.steps, examples...)
		for _, e := range examples {
			if op.Public {
				s.logins[e.name] = e
			}
		}
	}
	for _, st := range s.steps {
		if !st.op.Public && st.request.As == "" && s.may(st.exampleName(), st.op) {
			st.request.As = st.exampleName()
		}
	}
	return nil
}

func (s *script) readNegatives(operations []*contract.Operation) error {
	examples := map[*contract.Operation][]*step{}
	for _, st := range s.steps {
		examples[st.op] = append(examples[st.op], st)
	}
	for _, op := range operations {
		negatives, err := negativesOf(op, examples[op])
		if err != nil {
			return fmt.Errorf("%s: %w", op.ID, err)
		}
		s.steps = append(s.steps, negatives...)
	}
	return nil
}

// choose are the steps of a tag or an operation.
func (s *script) choose(tag, operation string) []*step {
	var chosen []*step
	for _, st := range s.steps {
		if (tag == "" || st.op.Tag == tag) && (operation == "" || st.op.ID == operation) {
			chosen = append(chosen, st)
		}
	}
	return chosen
}

// examplesOf are the good requests of an operation, each with its answer.
func examplesOf(op *contract.Operation) ([]*step, error) {
	if op.Spec.RequestBody != nil {
		return bodyExamples(op)
	}
	var steps []*step
	for status, response := range successes(op) {
		content, schema := jsonOf(response.Content)
		if content == nil {
			st := &step{op: op, kind: Example, name: strconv.Itoa(status), status: status}
			if err := st.request.read(response.Extensions, op); err != nil {
				return nil, err
			}
			steps = append(steps, st)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
			st := &step{op: op, kind: Example, name: name, status: status, want: contract.Plain(content.Examples[name].Value.Value), schema: schema}
			if err := st.request.read(content.Examples[name].Value.Extensions, op); err != nil {
				return nil, err
			}
			steps = append(steps, st)
		}
	}
	return steps, nil
}

// bodyExamples pairs the examples of the body with the answers of the same name.
func bodyExamples(op *contract.Operation) ([]*step, error) {
	var steps []*step
	media := op.Spec.RequestBody.Value.Content
	for _, mediaType := range slices.Sorted(maps.Keys(media)) {
		for _, name := range slices.Sorted(maps.Keys(media[mediaType].Examples)) {
			st := &step{op: op, kind: Example, name: name}
			if len(media) > 1 && mediaType != "application/json" {
				st.name += " as " + mediaType
			}
			extensions, found := st.findAnswer(name)
			if !found {
				return nil, fmt.Errorf("no good answer has an example %s", name)
			}
			if err := st.request.read(extensions, op); err != nil {
				return nil, err
			}
			st.request.body, st.request.hasBody, st.request.mediaType = contract.Plain(media[mediaType].Examples[name].Value.Value), true, mediaType
			steps = append(steps, st)
		}
	}
	return steps, nil
}

// findAnswer finds the good answer to a request example, and the extensions of its example.
func (st *step) findAnswer(name string) (map[string]any, bool) {
	for status, response := range successes(st.op) {
		content, schema := jsonOf(response.Content)
		if content == nil {
			st.status = status
			return response.Extensions, true
		}
		if example := content.Examples[name]; example != nil {
			st.status, st.want, st.schema = status, contract.Plain(example.Value.Value), schema
			return example.Value.Extensions, true
		}
	}
	return nil, false
}

// successes yields the 2xx answers in their order.
func successes(op *contract.Operation) func(func(int, *openapi3.Response) bool) {
	return func(yield func(int, *openapi3.Response) bool) {
		all := op.Spec.Responses.Map()
		for _, key := range slices.Sorted(maps.Keys(all)) {
			status, err := strconv.Atoi(key)
			if err == nil && status/100 == 2 && !yield(status, all[key].Value) {
				return
			}
		}
	}
}

func jsonOf(content openapi3.Content) (*openapi3.MediaType, *openapi3.Schema) {
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		if strings.HasSuffix(mediaType, "json") && content[mediaType].Schema != nil {
			return content[mediaType], content[mediaType].Schema.Value
		}
	}
	return nil, nil
}

// read takes x-request, and fills in the path parameters' own examples.
func (m *message) read(extensions map[string]any, op *contract.Operation) error {
	if err := contract.Convert(extensions["x-request"], m); err != nil {
		return fmt.Errorf("x-request: %w", err)
	}
	path := map[string]string{}
	for _, p := range op.Parameters() {
		if p.In != openapi3.ParameterInPath {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(p.Examples)) {
			path[p.Name] = fmt.Sprint(p.Examples[name].Value.Value)
			break
		}
	}
	maps.Copy(path, m.Path)
	m.Path = path
	return nil
}

// rank is where the steps of an operation stand among those that do not need each other: first what is read, while all is
// as it was found.
func (st *step) rank() int {
	switch {
	case st.op.Public:
		return 0
	case st.op.Method == http.MethodGet:
		return 1
	case st.op.Spec.Responses.Status(http.StatusCreated) != nil:
		return 2
	case st.op.Method == http.MethodPut, st.op.Method == http.MethodPatch:
		return 3
	case st.op.Method == http.MethodDelete:
		return 5
	}
	return 4
}

// kindRanks: bad requests write nothing, and so come before what they might be disturbed by.
var kindRanks = map[Kind]int{Negative: 0, Probe: 1, Example: 2}

// sort puts the steps in an order in which each comes after what it needs, by rank otherwise, and after the bad requests to
// the same operation where that can be.
func (s *script) sort() error {
	slices.SortStableFunc(s.steps, func(a, b *step) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(kindRanks[a.kind], kindRanks[b.kind]), cmp.Compare(a.op.ID, b.op.ID))
	})
	var ordered []*step
	state := map[*step]int{}
	var visit func(*step) error
	visit = func(st *step) error {
		switch state[st] {
		case 1:
			return fmt.Errorf("the examples of %s and %v need each other", st, st.after)
		case 2:
			return nil
		}
		state[st] = 1
		for _, earlier := range append(slices.Clone(st.after), s.badOf(st)...) {
			if err := visit(earlier); err != nil {
				return err
			}
		}
		state[st] = 2
		ordered = append(ordered, st)
		return nil
	}
	for _, st := range s.steps {
		if err := visit(st); err != nil {
			return err
		}
	}
	s.steps = ordered
	return nil
}

// badOf are the bad requests to the operation of an example that do not need it themselves.
func (s *script) badOf(st *step) []*step {
	var all []*step
	for _, other := range s.steps {
		if st.kind == Example && other.op == st.op && other.kind == Negative && !other.needs(st, map[*step]bool{}) {
			all = append(all, other)
		}
	}
	return all
}

// needs is true of a step that comes after another one, by whatever way.
func (st *step) needs(other *step, seen map[*step]bool) bool {
	if seen[st] {
		return false
	}
	seen[st] = true
	return slices.ContainsFunc(st.after, func(earlier *step) bool { return earlier == other || earlier.needs(other, seen) })
}
