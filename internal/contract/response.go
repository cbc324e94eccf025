package contract

import (
	"context"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3filter"
)

var responseOptions = &openapi3filter.Options{
	IncludeResponseStatus:   true,
	MultiError:              true,
	AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
	SchemaValidationOptions: parameterOptions.SchemaValidationOptions,
}

// CheckResponse holds a response against the document: a documented status, its headers, and a body of its schema.
func (op *Operation) CheckResponse(ctx context.Context, r *http.Request, status int, header http.Header, body []byte) error {
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: op.filterInput(r, nil),
		Status:                 status, Header: header, Options: responseOptions,
	}
	if len(body) > 0 {
		input.SetBodyBytes(body)
	}
	if err := openapi3filter.ValidateResponse(ctx, input); err != nil {
		return fmt.Errorf("%s answered %d: %w", op.ID, status, err)
	}
	return nil
}
