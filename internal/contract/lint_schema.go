package contract

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

var pascalCase = regexp.MustCompile(`^[A-Z][a-zA-Z0-9]*$`)

// piiKinds are what x-pii may say.
var piiKinds = []string{"name", "email", "phone", "birth", "national-id", "address", "secret"}

// personal are the names of properties that are personal wherever they stand.
var personal = []string{
	"email", "phone", "firstName", "lastName", "password", "token", "aadharNumber", "dateOfBirth", "address",
}

const componentSchemas = "/components/schemas/"

// schemas checks every schema of the document where it is written.
func (l *linter) schemas() {
	if l.Document.Components != nil {
		for _, name := range slices.Sorted(maps.Keys(l.Document.Components.Schemas)) {
			l.component(name, l.Document.Components.Schemas[name])
		}
	}
	// The error is never set: the callback returns none but SkipSubtree.
	_ = l.Document.WalkSchemas(func(pointer string, ref *openapi3.SchemaRef) error {
		if strings.HasPrefix(pointer, componentSchemas) {
			return openapi3.SkipSubtree
		}
		l.inline("#"+pointer, ref)
		l.schema("#"+pointer, ref.Value)
		return nil
	})
}

// component checks a named schema and what is written inside it; a reference inside it is another component.
func (l *linter) component(name string, ref *openapi3.SchemaRef) {
	place := "#" + componentSchemas + name
	if !pascalCase.MatchString(name) {
		l.addf(place, "write the name in PascalCase")
	}
	if ref.Value.Description == "" {
		l.addf(place, "give it a description")
	}
	root := &openapi3.SchemaRef{Value: ref.Value}
	_ = root.WalkSubtree(func(pointer string, ref *openapi3.SchemaRef) error {
		if ref.Ref != "" {
			return openapi3.SkipSubtree
		}
		if pointer != "" {
			l.inline(place+pointer, ref)
		}
		l.schema(place+pointer, ref.Value)
		return nil
	})
}

// inline refuses an object without a name: generators make one up for it, and it changes with the place.
func (l *linter) inline(place string, ref *openapi3.SchemaRef) {
	isObject := ref.Value.Type.Is(openapi3.TypeObject) || len(ref.Value.Properties) > 0
	if ref.Ref == "" && isObject {
		l.addf(place, "move the object to components/schemas and refer to it")
	}
}

// schema checks one schema and the names in it.
func (l *linter) schema(place string, s *openapi3.Schema) {
	if kind, marked := s.Extensions["x-pii"]; marked {
		if word, _ := kind.(string); !slices.Contains(piiKinds, word) {
			l.addf(place, "x-pii %v; use one of %s", kind, strings.Join(piiKinds, ", "))
		}
	}
	l.comparison(place, s)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		l.property(place+"/properties/"+name, name, s.Properties[name].Value)
	}
}

func (l *linter) property(place, name string, s *openapi3.Schema) {
	if !camelCase.MatchString(name) {
		l.addf(place, "write the name in camelCase")
	}
	if s.Description == "" {
		l.addf(place, "give it a description")
	}
	if _, marked := s.Extensions["x-pii"]; !marked && slices.Contains(personal, name) {
		l.addf(place, "mark it with x-pii")
	}
}
