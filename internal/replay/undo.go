package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// undo takes back one row that was made.
type undo struct {
	step *step
	id   string
}

// cleanUp takes back what was made, the last first: deleted where the document has a DELETE, else ended as x-undo says, else
// closed (isActive: false). What cannot go is reported.
func (r *runner) cleanUp(ctx context.Context) {
	count := map[string]int{}
	for _, u := range slices.Backward(r.undo) {
		what, err := r.takeBack(ctx, u)
		switch {
		case err != nil:
			r.left = append(r.left, fmt.Sprintf("%s %s: %v", u.step.op.ID, u.id, err))
		case what != "":
			count[u.step.op.ID+": "+what]++
		}
	}
	for _, what := range slices.Sorted(maps.Keys(count)) {
		r.left = append(r.left, fmt.Sprintf("%d made by %s", count[what], what))
	}
	r.signOut(ctx)
}

// signOut ends the run's own sessions, as x-undo of the sign-in says.
func (r *runner) signOut(ctx context.Context) {
	for _, login := range slices.Sorted(maps.Keys(r.logins)) {
		if r.tokens[login] == "" && r.cookies[login] == nil {
			continue
		}
		op := r.declaredUndo(r.logins[login].op)
		if op == nil {
			r.left = append(r.left, "a session of "+login)
			continue
		}
		// One that has ended already gets a 401, which is as good.
		if _, err := r.send(ctx, outgoing{op: op, token: r.tokens[login], headers: r.cookies[login]}); err != nil {
			r.left = append(r.left, fmt.Sprintf("a session of %s: %v", login, err))
		}
	}
}

// takeBack says in what state a row stays; empty when it is gone.
func (r *runner) takeBack(ctx context.Context, u undo) (string, error) {
	item := r.itemPath(u.step.op.Path)
	if op := r.operationAt(http.MethodDelete, item); op != nil {
		got, err := r.call(ctx, op, u.id, nil)
		if err == nil && got.status < 300 || got.status == http.StatusNotFound {
			return "", nil
		}
	}
	if op := r.declaredUndo(u.step.op); op != nil {
		return r.end(ctx, op, u.id, map[string]any{}, "stays, ended by "+op.ID)
	}
	if op := r.operationAt(http.MethodPatch, item); op != nil && propertyOf((&step{op: op}).bodySchema(), "isActive") != nil {
		return r.end(ctx, op, u.id, map[string]any{"isActive": false}, "stays, inactive")
	}
	return "stays: no operation takes it back", nil
}

func (r *runner) end(ctx context.Context, op *contract.Operation, id string, body any, state string) (string, error) {
	got, err := r.call(ctx, op, id, body)
	if err == nil && got.status >= 300 && got.status != http.StatusConflict { // a conflict: it has ended already
		err = fmt.Errorf("%w: %s answered %d", errNotTaken, op.ID, got.status)
	}
	return state, err
}

// declaredUndo is the operation that x-undo of a creating one names.
func (r *runner) declaredUndo(op *contract.Operation) *contract.Operation {
	name, _ := op.Spec.Extensions["x-undo"].(string)
	return r.Contract.Operations[name]
}

// itemPath is the pattern of the rows of a collection, without the parameter's name: /v1/students/bulk makes students.
func (r *runner) itemPath(collection string) string {
	for path := collection; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		if r.operationAt(http.MethodGet, path+"/{}") != nil {
			return path + "/{}"
		}
	}
	return collection + "/{}"
}

func (r *runner) operationAt(method, pattern string) *contract.Operation {
	for _, op := range r.Contract.Operations {
		collection, parameter := splitPath(op.Path)
		if op.Method == method && (pattern == op.Path || parameter != "" && pattern == collection+"/{}") {
			return op
		}
	}
	return nil
}

// call sends a request of the run's own, as whoever may.
func (r *runner) call(ctx context.Context, op *contract.Operation, id string, body any) (answer, error) {
	_, parameter := splitPath(op.Path)
	if parameter == "" { // /v1/students/{studentId}/withdraw
		_, parameter = splitPath(op.Path[:strings.LastIndexByte(op.Path, '/')])
	}
	return r.request(ctx, op, map[string]string{parameter: id}, body)
}

func (r *runner) request(ctx context.Context, op *contract.Operation, path map[string]string, body any) (answer, error) {
	out := outgoing{op: op, path: path, query: wholePage(op), media: "application/json"}
	if body != nil {
		var err error
		if out.body, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
	}
	login := r.actorFor(op)
	if r.tokens[login] == "" {
		if failed := r.exchange(ctx, r.logins[login]); len(failed) > 0 {
			return answer{}, fmt.Errorf("sign in as %s: %v", login, failed)
		}
	}
	return r.sendAs(ctx, &step{op: op, as: login}, out)
}

// wholePage asks for as many rows of a list as there are for once.
func wholePage(op *contract.Operation) map[string]string {
	for _, p := range op.Parameters() {
		if most, capped := p.Extensions["x-cap"]; capped {
			return map[string]string{p.Name: fmt.Sprint(most)}
		}
	}
	return nil
}

// remember looks at what a PUT or PATCH is about to change, and returns what puts it back. What the run has made itself
// stays changed: it goes in the end.
func (r *runner) remember(ctx context.Context, st *step) (func(context.Context) error, error) {
	nothing := func(context.Context) error { return nil }
	if st.op.Method != http.MethodPut && st.op.Method != http.MethodPatch || r.isMade(st) {
		return nothing, nil
	}
	read := r.readerOf(st.op)
	if read == nil {
		r.left = append(r.left, fmt.Sprintf("what %s changed: no operation reads it", st))
		return nothing, nil
	}
	path := r.vars.texts(st.request.Path)
	before, err := r.state(ctx, read, path)
	if err != nil || before == nil {
		return nothing, err
	}
	return func(ctx context.Context) error {
		after, err := r.state(ctx, read, path)
		if err != nil || reflect.DeepEqual(before, after) {
			return err
		}
		if st.op.Method == http.MethodPatch {
			return r.restore(ctx, st, path, restoring(st, before, after))
		}
		// Some lists are replaced as a whole, and some item by item: then all of them may be too many.
		if err = r.put(ctx, st, path, restoring(st, before, after)); err != nil {
			err = r.put(ctx, st, path, onlyChanged(restoring(st, before, after), restoring(st, after, before)))
		}
		return err
	}, nil
}

// isMade is true of a request to a row that an example makes.
func (r *runner) isMade(st *step) bool {
	for _, literal := range st.request.Path {
		if r.makers[literal] != nil {
			return true
		}
	}
	return false
}

// restore puts members back, all at once if that is taken, else one after another in whatever order it is: what
// has a life cycle takes the last step back first.
func (r *runner) restore(ctx context.Context, st *step, path map[string]string, members map[string]any) error {
	if len(members) == 0 {
		return nil
	}
	err := r.put(ctx, st, path, members)
	if err == nil {
		return nil
	}
	for range len(members) {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if r.put(ctx, st, path, map[string]any{name: members[name]}) == nil {
				delete(members, name)
			}
		}
	}
	if len(members) == 0 {
		return nil
	}
	return err
}

func (r *runner) put(ctx context.Context, st *step, path map[string]string, body any) error {
	got, err := r.request(ctx, st.op, path, body)
	if err == nil && got.status >= 300 {
		err = fmt.Errorf("%w: %d %s", errNotTaken, got.status, show(string(got.raw)))
	}
	return err
}

// readerOf is the GET of the same path, or of the nearest one above.
func (r *runner) readerOf(op *contract.Operation) *contract.Operation {
	for path := op.Path; strings.Contains(path, "{"); path = path[:strings.LastIndexByte(path, '/')] {
		for _, candidate := range r.Contract.Operations {
			if candidate.Method == http.MethodGet && candidate.Path == path {
				return candidate
			}
		}
	}
	return nil
}

// state is what a GET says now; nil when there is nothing.
func (r *runner) state(ctx context.Context, read *contract.Operation, path map[string]string) (map[string]any, error) {
	got, err := r.request(ctx, read, path, nil)
	if err != nil {
		return nil, err
	}
	object, _ := got.json.(map[string]any)
	if got.status != http.StatusOK {
		return nil, nil //nolint:nilnil // nothing there, and nothing wrong
	}
	return object, nil
}

// restoring is the body that makes after before again: all that a PUT takes, and what differs that a PATCH takes.
func restoring(st *step, before, after map[string]any) map[string]any {
	schema := st.bodySchema()
	out := map[string]any{}
	for name, ref := range schema.Properties {
		was, there := before[name]
		if !there && ref.Value.Type.Is(openapi3.TypeArray) {
			was, there = before["data"]
		}
		switch {
		case st.op.Method == http.MethodPatch && reflect.DeepEqual(was, after[name]):
		case there:
			out[name] = accepted(ref.Value, was)
		case ref.Value.Nullable:
			out[name] = nil
		}
	}
	return out
}

// onlyChanged leaves of each list the items that the other one does not have.
func onlyChanged(was, is map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range was {
		list, isList := value.([]any)
		others, _ := is[name].([]any)
		if isList {
			value = slices.DeleteFunc(slices.Clone(list), func(item any) bool {
				return slices.ContainsFunc(others, func(other any) bool { return reflect.DeepEqual(item, other) })
			})
		}
		out[name] = value
	}
	return out
}

// accepted is a value without what its schema does not take.
func accepted(schema *openapi3.Schema, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(schema.Properties) == 0 {
			return v
		}
		out := map[string]any{}
		for name, member := range v {
			if ref := schema.Properties[name]; ref != nil {
				out[name] = accepted(ref.Value, member)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			if a := accepted(itemsOf(schema), item); isComplete(itemsOf(schema), a) {
				out = append(out, a)
			}
		}
		return out
	}
	return value
}

// isComplete is true of an object with all members that it must have: a student without a mark is in a register, and
// cannot be sent.
func isComplete(schema *openapi3.Schema, value any) bool {
	object, isObject := value.(map[string]any)
	return !isObject || !slices.ContainsFunc(schema.Required, func(name string) bool { return object[name] == nil })
}
