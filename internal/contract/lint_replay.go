package contract

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// What the replay of the examples reads (docs/spec-extensions.md).

// requestKeys are the keys of x-request.
var requestKeys = []string{"path", "query", "headers", "as", "after"}

// replay checks what an operation says of the replay of its examples.
func (l *linter) replay(op *Operation) {
	if undo, given := op.Spec.Extensions["x-undo"]; given {
		if name, _ := undo.(string); l.Operations[name] == nil {
			l.addf(op.place(), "x-undo %v; name an operation", undo)
		}
	}
	l.noExample(op.place(), op.Spec.Extensions, op.Spec.Responses)
	for _, status := range op.Spec.Responses.Keys() {
		response := op.Spec.Responses.Value(status).Value
		l.exampleRequest(op.place()+" response "+status, response.Extensions)
		for _, content := range response.Content {
			for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
				l.exampleRequest(op.place()+" response "+status+" example "+name, content.Examples[name].Value.Extensions)
			}
		}
	}
}

// noExample wants a reason for each status, and the status documented; documented is nil at the root.
func (l *linter) noExample(place string, extensions map[string]any, documented *openapi3.Responses) {
	var reasons map[string]string
	if err := extension(extensions, "x-no-example", &reasons); err != nil {
		l.addf(place, "x-no-example; write a map of reasons by status: %v", err)
	}
	for _, key := range slices.Sorted(maps.Keys(reasons)) {
		switch {
		case !status.MatchString(key):
			l.addf(place, "x-no-example %s; name a status", key)
		case reasons[key] == "":
			l.addf(place, "x-no-example %s; give the reason", key)
		case documented != nil && documented.Value(key) == nil:
			l.addf(place, "x-no-example %s; the answer is not documented", key)
		}
	}
}

func (l *linter) exampleRequest(place string, extensions map[string]any) {
	var request map[string]any
	if err := extension(extensions, "x-request", &request); err != nil {
		l.addf(place, "x-request; write it as an object: %v", err)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(request)) {
		if !slices.Contains(requestKeys, key) {
			l.addf(place, "x-request; unknown key %s, use %s", key, strings.Join(requestKeys, ", "))
		}
	}
	if after, given := request["after"]; given {
		if name, _ := after.(string); l.Operations[name] == nil {
			l.addf(place, "x-request after %v; name an operation", after)
		}
	}
	if as, given := request["as"]; given && !slices.Contains(l.signIns(), as) {
		l.addf(place, "x-request as %v; name an example of a sign-in", as)
	}
}

// signIns are the examples of the public operations.
func (l *linter) signIns() []any {
	var names []any
	for _, op := range l.Operations {
		if op.Public {
			for _, name := range op.requestExamples() {
				names = append(names, name)
			}
		}
	}
	return names
}

// comparison checks what a schema says of its values in examples.
func (l *linter) comparison(place string, s *openapi3.Schema) {
	if how, given := s.Extensions["x-compare"]; given && how != "type" && how != "at-least" {
		l.addf(place, "x-compare %v; use type or at-least", how)
	}
	unique, given := s.Extensions["x-unique"]
	isScalar := s.Type.Is(openapi3.TypeString) || s.Type.Is(openapi3.TypeInteger)
	if given && (unique != true || !isScalar) {
		l.addf(place, "x-unique; true, on a string or an integer")
	}
}
