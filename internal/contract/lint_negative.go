package contract

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The keys of an entry of x-negative-examples, and of one of its errors.
var (
	negativeKeys = []string{"summary", "request", "merge", "body", "query", "path", "headers", "as", "after", "status", "errors"}
	errorKeys    = []string{"in", "field", "pointer", "code", "message"}
	locations    = []string{"body", "query", "path", "header", "cookie"}
)

func (l *linter) negativeExamples(op *Operation) {
	var examples map[string]map[string]any
	if err := extension(op.Spec.Extensions, "x-negative-examples", &examples); err != nil {
		l.addf(op.place(), "x-negative-examples; write a map of objects: %v", err)
		return
	}
	if len(examples) == 0 {
		l.addf(op.place(), "give it x-negative-examples")
	}
	for name, example := range examples {
		n := negative{linter: l, op: op, example: example, place: op.place() + " x-negative-examples " + name}
		n.check()
	}
}

// negative is one entry of x-negative-examples: a bad request and the answer that it must get.
type negative struct {
	*linter
	op      *Operation
	example map[string]any
	place   string
}

func (n negative) check() {
	n.keys(n.example, negativeKeys, "")
	n.objects()
	n.request()
	n.pathNames()
	n.status()
	n.errors()
}

func (n negative) keys(object map[string]any, known []string, where string) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, key) {
			n.addf(n.place, "%sunknown key %s; use %s", where, key, strings.Join(known, ", "))
		}
	}
}

// objects checks the members that are names with values.
func (n negative) objects() {
	for _, key := range []string{"merge", "query", "path", "headers"} {
		if value, given := n.example[key]; given {
			if _, ok := value.(map[string]any); !ok {
				n.addf(n.place, "%s; write it as an object", key)
			}
		}
	}
}

// request checks where the body comes from: as it is in body, or an example of the request with merge merged in.
func (n negative) request() {
	request, fromExample := n.example["request"]
	_, merges := n.example["merge"]
	_, verbatim := n.example["body"]
	name, _ := request.(string)
	switch {
	case fromExample && !slices.Contains(n.op.requestExamples(), name):
		n.addf(n.place, "request %v; name an example of the request", request)
	case merges && !fromExample:
		n.addf(n.place, "merge; name the request example that it is merged into")
	case verbatim && fromExample:
		n.addf(n.place, "body; give either body or request")
	case (verbatim || fromExample) && n.op.Spec.RequestBody == nil:
		n.addf(n.place, "body; the operation takes none")
	}
}

func (n negative) pathNames() {
	values, _ := n.example["path"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !strings.Contains(n.op.Path, "{"+name+"}") {
			n.addf(n.place, "path %s; name a parameter of the path", name)
		}
	}
}

func (n negative) status() {
	code, ok := n.example["status"].(float64)
	switch {
	case !ok:
		n.addf(n.place, "give it a status")
	case code < 400 || code > 599:
		n.addf(n.place, "status %v; a bad request gets a 4xx or 5xx", code)
	case n.op.Spec.Responses.Value(strconv.Itoa(int(code))) == nil:
		n.addf(n.place, "status %v; document this answer", code)
	}
}

func (n negative) errors() {
	value, given := n.example["errors"]
	list, isList := value.([]any)
	if given && (!isList || len(list) == 0) {
		n.addf(n.place, "errors; write a list of at least one, or leave it out")
	}
	for i, item := range list {
		fault, ok := item.(map[string]any)
		if !ok {
			n.addf(n.place, "errors[%d]; write it as an object", i)
			continue
		}
		n.keys(fault, errorKeys, fmt.Sprintf("errors[%d]; ", i))
		n.fault(fmt.Sprintf("errors[%d]", i), fault)
	}
}

func (n negative) fault(where string, fault map[string]any) {
	in, _ := fault["in"].(string)
	if !slices.Contains(locations, in) {
		n.addf(n.place, "%s; give it an in of %s", where, strings.Join(locations, ", "))
	}
	for _, key := range []string{"field", "code"} {
		if _, ok := fault[key].(string); !ok {
			n.addf(n.place, "%s; give it a %s", where, key)
		}
	}
	pointer, hasPointer := fault["pointer"].(string)
	switch {
	case in == "body" && !hasPointer:
		n.addf(n.place, "%s; give it a pointer", where)
	case in != "body" && hasPointer:
		n.addf(n.place, "%s; only faults of the body have a pointer", where)
	case pointer != "" && !strings.HasPrefix(pointer, "/"):
		n.addf(n.place, "%s; write pointer as a JSON pointer (RFC 6901)", where)
	}
}
