package contract

import (
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// boundedFormats are the string formats that bound the length, and checkedFormats those that are checked at all.
var (
	boundedFormats = []string{"uuid", "date", "date-time"}
	checkedFormats = append([]string{"email", "time-zone"}, boundedFormats...)
)

// parameters checks the parameters of an operation, those of its path included. One that several operations share is
// reported for the first.
func (l *linter) parameters(op *Operation) {
	for _, p := range op.parameters {
		if !l.first(p.spec) {
			continue
		}
		place := op.place() + " parameter " + p.spec.Name
		if p.spec.Description == "" {
			l.addf(place, "give it a description")
		}
		l.parameterUse(place, p)
		l.request(place, p.spec.Schema, p.limit > 0)
	}
}

// parameterUse refuses what Check does not do for a parameter.
func (l *linter) parameterUse(place string, p *parameter) {
	schema := p.spec.Schema.Value
	if !slices.Contains([]apperr.Location{apperr.Query, apperr.Path, apperr.Header}, p.location) {
		l.addf(place, "in: %s is not supported", p.location)
	}
	if schema.Type.Is(openapi3.TypeArray) || schema.Type.Is(openapi3.TypeObject) {
		l.addf(place, "give it a scalar type; a parameter is sent once")
	}
	if _, normalised := schema.Extensions["x-normalize"]; normalised && p.location != apperr.Query {
		l.addf(place, "x-normalize; only query parameters and bodies are normalised")
	}
	for _, other := range p.excludes {
		if !l.hasQuery(p, other) {
			l.addf(place, "x-excludes %s; name a query parameter of the same operation", other)
		}
	}
	if p.limit > 0 && (p.location != apperr.Query || !schema.Type.Is(openapi3.TypeInteger)) {
		l.addf(place, "x-cap; only an integer in the query is capped")
	}
}

// hasQuery is true if every operation with the parameter has the other in its query too.
func (l *linter) hasQuery(p *parameter, other string) bool {
	for _, op := range l.Operations {
		mine, has := op.query[p.spec.Name]
		if _, known := op.query[other]; has && mine.spec == p.spec && !known {
			return false
		}
	}
	return p.location == apperr.Query
}

// requestRules are held against every schema that a client sends a value of. Each says what to do, or nothing.
var requestRules = []func(*openapi3.Schema) string{
	typeGiven, noComposition, boundedString, checkedFormat, goPattern, normalisedText, boundedList, boundedObject, datedPast,
	textOnly,
}

// request checks a schema that a client sends a value of, and all that it is made of. capped spares a parameter with
// x-cap the maximum.
func (l *linter) request(place string, ref *openapi3.SchemaRef, capped bool) {
	if ref.Ref != "" {
		place = ref.Ref
	}
	s := ref.Value
	if !l.first(s) {
		return
	}
	for _, rule := range requestRules {
		if what := rule(s); what != "" {
			l.addf(place, "%s", what)
		}
	}
	if what := boundedNumber(s, capped); what != "" {
		l.addf(place, "%s", what)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		l.request(place+"/properties/"+name, s.Properties[name], false)
	}
	if s.Items != nil {
		l.request(place+"/items", s.Items, false)
	}
}

func typeGiven(s *openapi3.Schema) string {
	if s.Type == nil || len(*s.Type) != 1 {
		return "give it a type"
	}
	return ""
}

func noComposition(s *openapi3.Schema) string {
	switch {
	case len(s.AllOf)+len(s.AnyOf)+len(s.OneOf) > 0 || s.Not != nil:
		return "write it without allOf, anyOf, oneOf and not; their faults have no place"
	case s.ReadOnly:
		return "remove it: readOnly is what a client does not send"
	default:
		return ""
	}
}

func boundedString(s *openapi3.Schema) string {
	if !s.Type.Is(openapi3.TypeString) || s.MaxLength != nil || len(s.Enum) > 0 || slices.Contains(boundedFormats, s.Format) {
		return ""
	}
	return "bound it: give it a maxLength, an enum, or a format of " + strings.Join(boundedFormats, ", ")
}

func checkedFormat(s *openapi3.Schema) string {
	if !s.Type.Is(openapi3.TypeString) || s.Format == "" || slices.Contains(checkedFormats, s.Format) {
		return ""
	}
	return "format " + s.Format + " is not checked; use one of " + strings.Join(checkedFormats, ", ")
}

func goPattern(s *openapi3.Schema) string {
	if s.Pattern == "" {
		return ""
	}
	if _, err := regexp.Compile(s.Pattern); err != nil {
		return "write the pattern as Go's regexp reads it"
	}
	if !isAnchored(s.Pattern) {
		return "anchor the pattern: ^...$ around the whole of it"
	}
	return ""
}

// isAnchored is false for ^a|b$, which is anchored at one end at a time.
func isAnchored(pattern string) bool {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || parsed.Op != syntax.OpConcat {
		return false
	}
	first, last := parsed.Sub[0], parsed.Sub[len(parsed.Sub)-1]
	return first.Op == syntax.OpBeginText && last.Op == syntax.OpEndText
}

func normalisedText(s *openapi3.Schema) string {
	isFree := s.Type.Is(openapi3.TypeString) && s.Format == "" && len(s.Enum) == 0 && s.Pattern == ""
	if _, normalised := s.Extensions["x-normalize"]; !isFree || normalised || s.Extensions["x-pii"] == "secret" {
		return ""
	}
	return "free text; give it x-normalize, or x-pii: secret"
}

func boundedNumber(s *openapi3.Schema, capped bool) string {
	if !s.Type.Is(openapi3.TypeInteger) && !s.Type.Is(openapi3.TypeNumber) || s.Min != nil && (s.Max != nil || capped) {
		return ""
	}
	return "bound it: give it a minimum and a maximum (a parameter may have x-cap for the latter)"
}

func boundedList(s *openapi3.Schema) string {
	if !s.Type.Is(openapi3.TypeArray) || s.MaxItems != nil {
		return ""
	}
	return "bound it: give it maxItems"
}

func boundedObject(s *openapi3.Schema) string {
	if !s.Type.Is(openapi3.TypeObject) {
		return ""
	}
	if has := s.AdditionalProperties.Has; has != nil && !*has {
		return ""
	}
	_, bytes := s.Extensions["x-max-bytes"]
	_, depth := s.Extensions["x-max-depth"]
	if s.AdditionalProperties.Schema == nil && s.MaxProps != nil && bytes && depth {
		return ""
	}
	return "bound it: give it additionalProperties: false, or maxProperties, x-max-bytes and x-max-depth"
}

func datedPast(s *openapi3.Schema) string {
	if _, given := s.Extensions["x-not-future"]; given && s.Format != "date" {
		return "x-not-future; only a string of format date is checked"
	}
	return ""
}

func textOnly(s *openapi3.Schema) string {
	if _, given := s.Extensions["x-normalize"]; given && !s.Type.Is(openapi3.TypeString) {
		return "x-normalize; only a string is normalised"
	}
	return ""
}
