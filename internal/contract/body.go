package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// body is a compiled request body of one media type.
type body struct {
	schema  *openapi3.Schema
	refiner *refiner
}

// checkBody returns the faults of the body; the error is for one that cannot be read as JSON at all.
func (op *Operation) checkBody(r *http.Request) ([]apperr.Field, error) {
	if len(op.bodies) == 0 {
		return nil, refuseBody(r)
	}
	b, err := op.bodyOf(r)
	if err != nil {
		return nil, err
	}
	data, err := op.read(r)
	if err != nil {
		return nil, err
	}
	value, err := strictjson.Decode(data)
	if err != nil {
		return nil, decodeError(err)
	}
	value, fields := b.check(value)
	r.Body = &validatedBody{value: value}
	return fields, nil
}

// check refines and validates a decoded body.
func (b *body) check(value any) (any, []apperr.Field) {
	value = b.refiner.refine(value)
	fields := bodyFaults(b.schema.VisitJSON(value, bodyOptions...))
	return value, unique(append(fields, b.refiner.faults(value)...))
}

// CheckSchema validates a JSON value against a named schema of the document, as if it stood at path in a body. It is for
// values that do not come in a request body, such as a stored object with a patch applied. It returns the value normalised.
func (c *Contract) CheckSchema(name string, raw []byte, path ...any) (any, error) {
	b, ok := c.schemas[name]
	if !ok {
		return nil, fmt.Errorf("openapi.yaml has no schema %s", name)
	}
	value, err := strictjson.Decode(raw)
	if err != nil {
		return nil, decodeError(err)
	}
	value, fields := b.check(value)
	return value, apperr.InvalidFields(apperr.Under(fields, path...))
}

func refuseBody(r *http.Request) error {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	return apperr.New(apperr.Invalid, "This operation takes no body.")
}

// bodyOf chooses the schema by media type, and leaves the type in the header as the generated handler expects it.
func (op *Operation) bodyOf(r *http.Request) (*body, error) {
	sent := r.Header.Get("Content-Type")
	if b, exactly := op.bodies[sent]; exactly {
		return b, nil
	}
	mediaType, params, err := mime.ParseMediaType(sent)
	b, known := op.bodies[mediaType]
	charset, hasCharset := params["charset"]
	if err != nil || !known || hasCharset && !strings.EqualFold(charset, "utf-8") {
		types := strings.Join(slices.Sorted(maps.Keys(op.bodies)), " or ")
		return nil, apperr.New(apperr.UnsupportedMediaType, fmt.Sprintf("Send the body as %s.", types))
	}
	r.Header.Set("Content-Type", mediaType)
	return b, nil
}

// read reads the body up to the operation's limit, and nothing when the client announces more.
func (op *Operation) read(r *http.Request) ([]byte, error) {
	if r.ContentLength > op.MaxBodyBytes {
		return nil, op.tooLarge()
	}
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), mostAnnounced)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(r.Body, op.MaxBodyBytes+1)); err != nil {
		return nil, apperr.Wrap(apperr.Invalid, "The body could not be read to its end.", err)
	}
	if int64(data.Len()) > op.MaxBodyBytes {
		return nil, op.tooLarge()
	}
	return data.Bytes(), nil
}

// mostAnnounced is how many bytes are set aside for a body because the client says that they will come.
const mostAnnounced = 64 << 10

func (op *Operation) tooLarge() error {
	return apperr.New(apperr.TooLarge, fmt.Sprintf("The body may have %d bytes.", op.MaxBodyBytes))
}

func decodeError(err error) error {
	syntax, ok := errors.AsType[*strictjson.SyntaxError](err)
	if !ok {
		return err
	}
	e := apperr.Wrap(apperr.Invalid, syntax.Message, err)
	e.Fields = []apperr.Field{{
		In: apperr.Body, Field: fieldName(syntax.Pointer), Pointer: shorten(syntax.Pointer), Code: syntax.Code, Message: syntax.Message,
	}}
	return e
}

// validatedBody hands the validated value to the generated handler (runtime.BindJSONValue asks for ValidatedValue).
// Its bytes are gone on purpose: the handler's fallback, encoding/json, would match names whatever their case and so bind
// what was never validated.
type validatedBody struct{ value any }

func (b *validatedBody) ValidatedValue() any { return b.value }

func (b *validatedBody) Read([]byte) (int, error) { return 0, errNotBound }

func (b *validatedBody) Close() error { return nil }

var errNotBound = errors.New("the validated body does not fit the generated type")
