package contract

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// problemSchema is the schema that every failure has, whatever was asked for.
const (
	problemSchema = "Problem"
	problemType   = "application/problem+json"
)

// ResponseError is an answer that is not what the document says. Its text names places and rules, never a value, so it may
// be logged.
type ResponseError struct {
	Operation string // empty for what is no operation
	Status    int
	Faults    []string
}

// Error is for the log.
func (e *ResponseError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%s answered %d, which is not what the document says: %s", e.Operation, e.Status, strings.Join(e.Faults, "; ")))
}

// CheckResponse holds an answer against the document: a documented status, its headers, its media type, and a body of its
// schema, formats included. The error is a *ResponseError with every fault.
func (op *Operation) CheckResponse(status int, header http.Header, body []byte) error {
	documented := op.Spec.Responses.Status(status)
	if documented == nil {
		return &ResponseError{op.ID, status, []string{"the status is not documented"}}
	}
	faults := headerFaults(documented.Value.Headers, header)
	return responseError(op.ID, status, append(faults, contentFaults(documented.Value.Content, header, body)...))
}

// CheckProblem holds an answer that reports a failure, and belongs to no operation, against the schema of all problems.
func (c *Contract) CheckProblem(status int, header http.Header, body []byte) error {
	ref := c.Document.Components.Schemas[problemSchema]
	if ref == nil {
		return nil // a document without it describes its failures otherwise
	}
	content := openapi3.Content{problemType: openapi3.NewMediaType().WithSchema(ref.Value)}
	return responseError("", status, contentFaults(content, header, body))
}

func responseError(operation string, status int, faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return &ResponseError{operation, status, faults}
}

func headerFaults(documented openapi3.Headers, header http.Header) []string {
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		spec, values := documented[name].Value, header.Values(name)
		switch {
		case len(values) == 0 && spec.Required:
			faults = append(faults, "header "+name+" required")
		case len(values) > 1:
			faults = append(faults, "header "+name+" repeated")
		case len(values) == 1 && spec.Schema != nil:
			for _, e := range schemaErrors(spec.Schema.Value.VisitJSON(headerValue(spec.Schema.Value, values[0]), responseOptions...)) {
				faults = append(faults, "header "+name+" "+codeOf(e))
			}
		}
	}
	return faults
}

// headerValue is a header as its schema sees it; what is no number stays a text, and is reported as one.
func headerValue(schema *openapi3.Schema, value string) any {
	if schema.Type.Is(openapi3.TypeInteger) || schema.Type.Is(openapi3.TypeNumber) {
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			return n
		}
	}
	return value
}

func contentFaults(documented openapi3.Content, header http.Header, body []byte) []string {
	if len(documented) == 0 {
		if len(body) > 0 {
			return []string{"a body where none is documented"}
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	content := documented[mediaType]
	if err != nil || content == nil {
		return []string{"the media type is not documented"}
	}
	if content.Schema == nil || !isJSON(mediaType) {
		return nil
	}
	value, err := strictjson.Decode(body)
	if err != nil {
		return []string{"the body is no JSON"}
	}
	return valueFaults(content.Schema.Value.VisitJSON(value, responseOptions...))
}

var responseOptions = []openapi3.SchemaValidationOption{
	openapi3.MultiErrors(),
	openapi3.VisitAsResponse(),
	openapi3.WithStringFormatValidators(formats),
}

// valueFaults names the places; a name that no schema has may be anything, so it is left out.
func valueFaults(err error) []string {
	var faults []string
	for _, f := range bodyFaults(err) {
		pointer := f.Pointer
		if f.Unknown() {
			pointer = pointer[:strings.LastIndexByte(pointer, '/')] + "/?"
		}
		faults = append(faults, "body "+pointer+" "+f.Code)
	}
	return faults
}
