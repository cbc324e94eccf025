package contract

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// schemaErrors flattens what kin-openapi returned.
func schemaErrors(err error) []*openapi3.SchemaError {
	return appendSchemaErrors(nil, err)
}

func appendSchemaErrors(all []*openapi3.SchemaError, err error) []*openapi3.SchemaError {
	if multi, ok := errors.AsType[openapi3.MultiError](err); ok {
		for _, e := range multi {
			all = appendSchemaErrors(all, e)
		}
		return all
	}
	if e, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return append(all, e)
	}
	return all
}

// bodyFaults converts the faults of a body, each named by its place.
func bodyFaults(err error) []apperr.Field {
	if err == nil {
		return nil
	}
	found := schemaErrors(err)
	fields, seen := make([]apperr.Field, 0, len(found)), map[string]bool{}
	for _, e := range found {
		fault := apperr.BodyField(codeOf(e), messageOf(e), pathOf(e)...)
		if e.SchemaField != "properties" {
			fields = append(fields, fault)
		} else if !seen[fault.Pointer] {
			seen[fault.Pointer] = true
			fields = append(fields, unknownMembers(e)...)
		}
	}
	if len(fields) == 0 { // an error of no known kind must not pass for none
		fields = append(fields, apperr.BodyField("invalid", "Not allowed"))
	}
	return fields
}

// unknownMembers are the faults of all names of an object that the schema does not know: kin-openapi reports one error a
// name, and none of them says which.
func unknownMembers(e *openapi3.SchemaError) []apperr.Field {
	object, _ := e.Value.(map[string]any)
	path := pathOf(e)
	var fields []apperr.Field
	for _, name := range unknownNames(object, e.Schema.Properties) {
		at := append(slices.Clone(path), shorten(name))
		fields = append(fields, apperr.BodyField(apperr.CodeAdditionalProperties, "Unknown field", at...))
	}
	return fields
}

func unique(fields []apperr.Field) []apperr.Field {
	if len(fields) < 2 {
		return fields
	}
	seen := make(map[apperr.Field]bool, len(fields))
	return slices.DeleteFunc(fields, func(f apperr.Field) bool {
		if seen[f] {
			return true
		}
		seen[f] = true
		return false
	})
}

// pathOf is the place of a fault, array places as numbers.
func pathOf(e *openapi3.SchemaError) []any {
	pointer := e.JSONPointer()
	path := make([]any, len(pointer))
	for i, token := range pointer {
		path[i] = pathToken(token)
	}
	return path
}

func pathToken(token string) any {
	if strings.Trim(token, "0123456789") != "" { // most are names, and an error is dear
		return token
	}
	if n, err := strconv.Atoi(token); err == nil {
		return n
	}
	return token
}

// fieldName is the plain name of an RFC 6901 pointer: /students/3/email is students[3].email.
func fieldName(pointer string) string {
	var path []any
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for token := range strings.SplitSeq(shorten(pointer), "/") {
		if token != "" {
			path = append(path, pathToken(unescape.Replace(token)))
		}
	}
	return apperr.BodyField("", "", path...).Field
}

// shorten keeps a name that the client made up from filling the answer, or from breaking it.
func shorten(name string) string {
	const most = 200
	if len(name) <= most {
		return strings.ToValidUTF8(name, "\uFFFD")
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

func codeOf(e *openapi3.SchemaError) string {
	if e.SchemaField == "exclusiveMinimum" || e.SchemaField == "exclusiveMaximum" {
		return strings.ToLower(strings.TrimPrefix(e.SchemaField, "exclusive"))
	}
	return e.SchemaField
}

// messageOf is a fault in words for people. It never repeats the value.
func messageOf(e *openapi3.SchemaError) string {
	s := e.Schema
	switch codeOf(e) {
	case "required":
		return "Required"
	case "nullable":
		return "Must not be null"
	case "type":
		return typeMessage(s)
	case "format":
		return formatMessage(s.Format)
	case "pattern":
		return "Invalid format"
	case "enum":
		return "Must be one of " + strings.Trim(fmt.Sprint(s.Enum), "[]")
	case "minLength":
		return atLeast(s.MinLength, "character")
	case "minItems":
		return atLeast(s.MinItems, "entry", "entries")
	case "minProperties":
		return atLeast(s.MinProps, "field")
	case "maxLength":
		return atMost(s.MaxLength, "character")
	case "maxItems":
		return atMost(s.MaxItems, "entry", "entries")
	case "uniqueItems":
		return "Must not repeat an entry"
	case "maxProperties":
		return atMost(s.MaxProps, "field")
	case "minimum":
		return fmt.Sprintf("Must be at least %v", *s.Min)
	case "maximum":
		return fmt.Sprintf("Must be at most %v", *s.Max)
	default:
		return "Not allowed"
	}
}

const (
	integerWords   = "a whole number"
	integerMessage = "Must be " + integerWords
)

func typeMessage(s *openapi3.Schema) string {
	names := map[string]string{
		openapi3.TypeString: "a string", openapi3.TypeInteger: integerWords, openapi3.TypeNumber: "a number",
		openapi3.TypeBoolean: "true or false", openapi3.TypeArray: "a list", openapi3.TypeObject: "an object",
	}
	for name, words := range names {
		if s.Type.Is(name) {
			return "Must be " + words
		}
	}
	return "Is of the wrong type"
}

func formatMessage(format string) string {
	switch format {
	case "email":
		return "Invalid email"
	case "uuid":
		return "Invalid UUID"
	case "date":
		return "Invalid date; use YYYY-MM-DD"
	case "time-zone":
		return "Unknown time zone; use a name such as Asia/Kolkata"
	case "date-time":
		return "Invalid time; use RFC 3339"
	case "int32", "int64":
		return "Out of range"
	default:
		return "Invalid " + format
	}
}

func atLeast(n uint64, unit ...string) string {
	if n == 1 && unit[0] == "character" {
		return "Must not be empty"
	}
	return fmt.Sprintf("At least %d %s", n, plural(n, unit))
}

func atMost(n *uint64, unit ...string) string {
	return fmt.Sprintf("At most %d %s", *n, plural(*n, unit))
}

func plural(n uint64, unit []string) string {
	switch {
	case n == 1:
		return unit[0]
	case len(unit) == 2:
		return unit[1]
	default:
		return unit[0] + "s"
	}
}
