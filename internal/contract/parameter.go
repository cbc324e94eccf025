package contract

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract/normalize"
)

// parameter is a compiled parameter.
type parameter struct {
	spec       *openapi3.Parameter
	location   apperr.Location
	normalizer normalize.Normalizer
	limit      uint64 // x-cap; 0 is none
	fallback   string // the default, as it would be sent; empty is none
	excludes   []string
}

func compileParameter(spec *openapi3.Parameter) (*parameter, error) {
	p := &parameter{spec: spec, location: apperr.Location(spec.In)}
	if err := extension(spec.Extensions, "x-cap", &p.limit); err != nil {
		return nil, err
	}
	if err := extension(spec.Extensions, "x-excludes", &p.excludes); err != nil {
		return nil, err
	}
	if spec.Schema == nil {
		return nil, errors.New("has no schema")
	}
	schema := spec.Schema.Value
	if schema.Default != nil {
		p.fallback = fmt.Sprint(schema.Default)
	}
	var err error
	p.normalizer, err = normalizerOf(schema)
	return p, err
}

// checkParameters returns the faults of the parameters; the error is for a query that cannot be read at all.
func (op *Operation) checkParameters(r *http.Request, path map[string]string) ([]apperr.Field, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, apperr.Wrap(apperr.Invalid, "The query string is malformed.", err)
	}
	fields := op.checkQueryNames(query)
	fields = append(fields, op.checkHeaders(r.Header)...)
	input := op.filterInput(r, path)
	input.QueryParams = query
	for _, p := range op.parameters {
		// Before normalising, which would make a text of anything.
		if !validText(p.values(r, query, path)) {
			fields = append(fields, p.fault("text", "Holds characters that are not allowed"))
			continue
		}
		p.refine(query)
		if err := openapi3filter.ValidateParameter(r.Context(), input, p.spec); err != nil {
			fields = append(fields, p.faults(err)...)
		}
	}
	r.URL.RawQuery = query.Encode()
	return fields, nil
}

// checkQueryNames finds what kin-openapi lets pass: unknown names, repeated values, parameters that exclude each other.
func (op *Operation) checkQueryNames(query url.Values) []apperr.Field {
	if len(query) == 0 {
		return nil
	}
	var fields []apperr.Field
	unknown := 0
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if p, ok := op.query[name]; ok {
			fields = append(fields, p.checkUse(query)...)
		} else if unknown++; unknown <= mostUnknown {
			fields = append(fields, apperr.Field{In: apperr.Query, Field: shorten(name), Code: apperr.CodeUnknown, Message: "Unknown parameter"})
		}
	}
	return fields
}

// checkUse finds a parameter that was given twice, or together with one that it excludes.
func (p *parameter) checkUse(query url.Values) []apperr.Field {
	var fields []apperr.Field
	if len(query[p.spec.Name]) > 1 {
		fields = append(fields, p.fault("repeated", "May be given once"))
	}
	return append(fields, p.checkExclusion(query)...)
}

func (p *parameter) checkExclusion(query url.Values) []apperr.Field {
	for _, other := range p.excludes {
		if query.Has(other) {
			return []apperr.Field{p.fault("excludes", "Cannot be used together with "+other)}
		}
	}
	return nil
}

func (op *Operation) checkHeaders(header http.Header) []apperr.Field {
	var fields []apperr.Field
	for _, p := range op.parameters {
		if p.location == apperr.Header && len(header.Values(p.spec.Name)) > 1 {
			fields = append(fields, p.fault("repeated", "May be given once"))
		}
	}
	return fields
}

// refine normalises and caps a query parameter, or fills in its default.
func (p *parameter) refine(query url.Values) {
	name := p.spec.Name
	values, sent := query[name]
	switch {
	case p.location != apperr.Query:
	case sent:
		values[0] = p.capped(p.normalizer.String(values[0]))
	case p.fallback != "":
		query.Set(name, p.fallback)
	}
}

// capped serves a number above x-cap as x-cap (AIP-158), however many digits it has. It knows the plus sign because
// whoever parses the number later does.
func (p *parameter) capped(value string) string {
	digits := strings.TrimPrefix(value, "+")
	if p.limit == 0 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return value
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err != nil || n > p.limit {
		return strconv.FormatUint(p.limit, 10)
	}
	return value
}

func (p *parameter) values(r *http.Request, query url.Values, path map[string]string) []string {
	switch p.location {
	case apperr.Query:
		return query[p.spec.Name]
	case apperr.Path:
		return []string{path[p.spec.Name]}
	default:
		return r.Header.Values(p.spec.Name)
	}
}

// validText is false for what no database column holds: NUL and bytes that are not UTF-8.
func validText(values []string) bool {
	for _, v := range values {
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return false
		}
	}
	return true
}

func (p *parameter) fault(code, message string) apperr.Field {
	return apperr.Field{In: p.location, Field: p.spec.Name, Code: code, Message: message}
}

// faults converts what kin-openapi found wrong with this parameter.
func (p *parameter) faults(err error) []apperr.Field {
	if errors.Is(err, openapi3filter.ErrInvalidRequired) {
		return []apperr.Field{p.fault("required", "Required")}
	}
	if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) {
		return []apperr.Field{p.fault("empty", "Must not be empty")}
	}
	var fields []apperr.Field
	for _, e := range schemaErrors(err) {
		fields = append(fields, p.fault(codeOf(e), messageOf(e)))
	}
	if len(fields) == 0 { // it could not even be parsed as its type
		fields = append(fields, p.parseFault(err))
	}
	return fields
}

// parseFault tells a number that is too large for its Go type from what is no number.
func (p *parameter) parseFault(err error) apperr.Field {
	e := &openapi3.SchemaError{Schema: p.spec.Schema.Value, SchemaField: "type"}
	if parse, ok := errors.AsType[*openapi3filter.ParseError](err); ok && errors.Is(err, strconv.ErrRange) {
		negative := strings.HasPrefix(fmt.Sprint(parse.Value), "-")
		switch {
		case negative && e.Schema.Min != nil:
			e.SchemaField = "minimum"
		case !negative && e.Schema.Max != nil:
			e.SchemaField = "maximum"
		}
	}
	return p.fault(codeOf(e), messageOf(e))
}
