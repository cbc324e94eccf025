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
	if op.refineQuery(query) {
		r.URL.RawQuery = query.Encode()
	}
	input := op.filterInput(r, path)
	input.QueryParams = query
	for _, p := range op.parameters {
		if !validText(p.values(r, query, path)) {
			fields = append(fields, p.fault("text", "Holds characters that are not allowed"))
			continue
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, p.spec); err != nil {
			fields = append(fields, p.faults(err)...)
		}
	}
	return fields, nil
}

// checkQueryNames finds what kin-openapi lets pass: unknown names, repeated values, parameters that exclude each other.
func (op *Operation) checkQueryNames(query url.Values) []apperr.Field {
	var fields []apperr.Field
	for _, name := range slices.Sorted(maps.Keys(query)) {
		p, known := op.query[name]
		switch {
		case !known:
			fields = append(fields, apperr.Field{In: apperr.Query, Field: name, Code: "unknown", Message: "Unknown parameter"})
		case len(query[name]) > 1:
			fields = append(fields, p.fault("repeated", "May be given once"))
		}
		if known {
			fields = append(fields, p.checkExclusion(query)...)
		}
	}
	return fields
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

// refineQuery normalises, caps and fills in defaults; it reports whether anything changed.
func (op *Operation) refineQuery(query url.Values) bool {
	changed := false
	for name, p := range op.query {
		before, sent := query.Get(name), query.Has(name)
		after := before
		switch {
		case sent:
			after = p.capped(p.normalizer.String(before))
		case p.fallback != "":
			after = p.fallback
		}
		if after != before {
			query[name] = append([]string{after}, query[name][min(1, len(query[name])):]...)
			changed = true
		}
	}
	return changed
}

// capped serves a number above x-cap as x-cap (AIP-158), however many digits it has.
func (p *parameter) capped(value string) string {
	if p.limit == 0 || value == "" || strings.Trim(value, "0123456789") != "" {
		return value
	}
	if n, err := strconv.ParseUint(value, 10, 64); err != nil || n > p.limit {
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
		fields = append(fields, p.fault("type", typeMessage(p.spec.Schema.Value)))
	}
	return fields
}
