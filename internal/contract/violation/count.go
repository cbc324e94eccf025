package violation

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Constraints are all that the document asks of requests, each once. They are counted apart from the making of requests, so
// that one for which no request can be made is missed.
func Constraints(c *contract.Contract) []Constraint {
	var all []Constraint
	for _, id := range slices.Sorted(maps.Keys(c.Operations)) {
		count := counter{operation: id}
		count.parameters(c.Operations[id])
		if body := c.Operations[id].Spec.RequestBody; body != nil {
			count.add(apperr.Body, "", "requestBody")
			for _, content := range body.Value.Content {
				count.body("", content.Schema.Value)
			}
		}
		for _, found := range count.found {
			if !slices.Contains(all, found) {
				all = append(all, found)
			}
		}
	}
	return all
}

type counter struct {
	operation string
	found     []Constraint
}

func (c *counter) add(in apperr.Location, place, keyword string) {
	c.found = append(c.found, Constraint{c.operation, in, place, keyword})
}

func (c *counter) parameters(op *contract.Operation) {
	c.add(apperr.Query, "no-such-parameter", apperr.CodeUnknown)
	for _, p := range op.Parameters() {
		in, schema := apperr.Location(p.In), p.Schema.Value
		if in != apperr.Path {
			c.add(in, p.Name, "repeated")
		}
		for keyword, given := range map[string]bool{
			"required": p.Required && in != apperr.Path, "excludes": p.Extensions["x-excludes"] != nil, "type": !schema.Type.Is(openapi3.TypeString),
		} {
			if given {
				c.add(in, p.Name, keyword)
			}
		}
		for _, keyword := range scalarKeywords(schema) {
			if in == apperr.Path && keyword == "minLength" && schema.MinLength == 1 {
				continue // without a value it is another path
			}
			c.add(in, p.Name, keyword)
		}
	}
}

func (c *counter) body(place string, schema *openapi3.Schema) {
	if len(schema.Enum) == 0 { // an enum says both
		c.add(apperr.Body, place, "type")
		if !schema.Nullable {
			c.add(apperr.Body, place, "nullable")
		}
	}
	for _, keyword := range append(scalarKeywords(schema), containerKeywords(schema)...) {
		c.add(apperr.Body, place, keyword)
	}
	for _, name := range schema.Required {
		c.add(apperr.Body, place+"/"+name, "required")
	}
	for name, ref := range schema.Properties {
		c.body(place+"/"+name, ref.Value)
	}
	if schema.Items != nil {
		c.body(place+"/*", schema.Items.Value)
	}
}

// scalarKeywords are the keywords that a schema of strings and numbers has.
func scalarKeywords(s *openapi3.Schema) []string {
	return given(map[string]bool{
		"enum": len(s.Enum) > 0, "minLength": s.MinLength > 0, "maxLength": s.MaxLength != nil, "pattern": s.Pattern != "",
		"format": s.Format != "" && (s.Type.Is(openapi3.TypeString) || s.Max == nil || s.Format == "int32" && *s.Max > math.MaxInt32),
		"future": s.Extensions["x-not-future"] == true, "minimum": s.Min != nil, "maximum": s.Max != nil, "multipleOf": s.MultipleOf != nil,
		"exclusiveMinimum": s.ExclusiveMin.Bool != nil && *s.ExclusiveMin.Bool, "exclusiveMaximum": s.ExclusiveMax.Bool != nil && *s.ExclusiveMax.Bool,
	})
}

// codesOf are the codes that breaking a schema has.
func codesOf(s *openapi3.Schema) []string {
	codes := []string{"type", "nullable"}
	for _, keyword := range append(scalarKeywords(s), containerKeywords(s)...) {
		switch keyword {
		case "x-max-bytes":
			keyword = "maxBytes"
		case "x-max-depth":
			keyword = "maxDepth"
		}
		codes = append(codes, keyword)
	}
	return codes
}

// containerKeywords are the keywords that a schema of objects and lists has.
func containerKeywords(s *openapi3.Schema) []string {
	closed := s.AdditionalProperties.Has
	keywords := given(map[string]bool{
		"minItems": s.MinItems > 0, "maxItems": s.MaxItems != nil, "uniqueItems": s.UniqueItems, "minProperties": s.MinProps > 0,
		"maxProperties": s.MaxProps != nil, "additionalProperties": closed != nil && !*closed,
		"x-max-bytes": s.Extensions["x-max-bytes"] != nil, "x-max-depth": s.Extensions["x-max-depth"] != nil,
		"not": s.Not != nil, "oneOf": len(s.OneOf) > 0, "anyOf": len(s.AnyOf) > 0, "allOf": len(s.AllOf) > 0,
	})
	var keys [][]string
	if s.Extensions["x-unique-by"] != nil && contract.Convert(s.Extensions["x-unique-by"], &keys) == nil {
		for _, key := range keys {
			keywords = append(keywords, "x-unique-by "+strings.Join(key, ", "))
		}
	}
	return keywords
}

func given(keywords map[string]bool) []string {
	var all []string
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		if keywords[keyword] {
			all = append(all, keyword)
		}
	}
	return all
}
