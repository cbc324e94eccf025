package contract

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// parameterOptions: defaults and limits are ours (they are applied to the query once, not once a parameter).
var parameterOptions = &openapi3filter.Options{
	MultiError:              true,
	SkipSettingDefaults:     true,
	SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.WithStringFormatValidators(formats)},
}

// bodyOptions validate a request body: every fault. Defaults are the refiner's, because kin-openapi takes a null for an
// absent member.
var bodyOptions = []openapi3.SchemaValidationOption{
	openapi3.MultiErrors(),
	openapi3.WithStringFormatValidators(formats),
}

// Fingerprint is equal for two requests that have passed Check and ask for the same: the operation, where, and the body as
// it was validated.
func (op *Operation) Fingerprint(r *http.Request) ([]byte, error) {
	asked := []any{op.ID, r.URL.Path, r.URL.RawQuery}
	if b, ok := r.Body.(*validatedBody); ok {
		asked = append(asked, b.value)
	}
	raw, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return raw, nil
}

// Check holds a request against the operation. path are the values of the path parameters. On success the query has
// its defaults and limits, and the body carries the value that was validated, for the generated handler to bind. On
// failure it returns an *apperr.Error with every fault of parameters and body.
func (op *Operation) Check(r *http.Request, path map[string]string) error {
	fields, err := op.checkParameters(r, path)
	if err != nil {
		return err
	}
	bodyFields, err := op.checkBody(r)
	if err != nil {
		return err
	}
	return apperr.InvalidFields(append(fields, bodyFields...))
}
