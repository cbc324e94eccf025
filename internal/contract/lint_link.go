package contract

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// links checks where an operation says that its answers lead: whoever follows a link must get there.
func (l *linter) links(op *Operation) {
	for _, status := range op.Spec.Responses.Keys() {
		response := op.Spec.Responses.Value(status).Value
		place := op.place() + " response " + status
		for _, name := range slices.Sorted(maps.Keys(response.Links)) {
			l.link(place+" link "+name, op, response, response.Links[name].Value)
		}
		if response.Headers["Location"] != nil && !l.linksToRead(response) {
			l.addf(place, "links; add one to the operation that reads what was made")
		}
	}
}

func (l *linter) linksToRead(response *openapi3.Response) bool {
	for _, ref := range response.Links {
		if target := l.Operations[ref.Value.OperationID]; target != nil && target.Method == http.MethodGet {
			return true
		}
	}
	return false
}

func (l *linter) link(place string, op *Operation, response *openapi3.Response, link *openapi3.Link) {
	target := l.Operations[link.OperationID]
	if target == nil {
		l.addf(place, "operationId %s; name an operation", link.OperationID)
		return
	}
	for _, p := range target.Parameters() {
		if _, given := link.Parameters[p.Name]; p.Required && !given {
			l.addf(place, "say where the parameter %s of %s comes from", p.Name, target.ID)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(link.Parameters)) {
		if !target.hasParameter(name, "") {
			l.addf(place, "parameter %s; %s has none of this name", name, target.ID)
		}
		if expression := fmt.Sprint(link.Parameters[name]); !leadsSomewhere(op, response, expression) {
			l.addf(place, "parameter %s: %s is no value of request or response", name, expression)
		}
	}
}

// hasParameter is true of a parameter in a place; any place will do where in is empty.
func (op *Operation) hasParameter(name, in string) bool {
	return slices.ContainsFunc(op.Parameters(), func(p *openapi3.Parameter) bool {
		return p.Name == name && (in == "" || p.In == in)
	})
}

// leadsSomewhere reads a runtime expression (OpenAPI 3.0.3, 4.7.20.4), as far as this document needs them: a parameter
// of the request, or a member of the answer.
func leadsSomewhere(op *Operation, response *openapi3.Response, expression string) bool {
	if from, isRequest := strings.CutPrefix(expression, "$request."); isRequest {
		in, name, _ := strings.Cut(from, ".")
		return op.hasParameter(name, in)
	}
	pointer, isBody := strings.CutPrefix(expression, "$response.body#/")
	content := response.Content.Get("application/json")
	return isBody && content != nil && content.Schema != nil && memberAt(content.Schema.Value, strings.Split(pointer, "/"))
}

// memberAt is true when a schema describes what a pointer leads to.
func memberAt(s *openapi3.Schema, tokens []string) bool {
	for _, token := range tokens {
		var next *openapi3.SchemaRef
		if _, err := strconv.Atoi(token); err == nil && s.Type.Is(openapi3.TypeArray) {
			next = s.Items
		} else {
			next = s.Properties[token]
		}
		if next == nil {
			return false
		}
		s = next.Value
	}
	return true
}
