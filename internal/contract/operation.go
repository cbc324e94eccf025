package contract

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// noPermission in x-permission marks an operation that every signed-in user may call.
const noPermission = "none"

// wholeTenant in x-reach marks an operation that concerns all of the tenant.
const wholeTenant = "tenant"

// IdempotencyKey is the header by which a client says that a request is a repetition.
const IdempotencyKey = "Idempotency-Key"

// RateTier says how often a caller may call the operations that share it.
type RateTier struct {
	Name     string
	Requests int           // so many at once, and as many again in each period
	Per      time.Duration // 0 when the document does not declare the tier, which the lint reports and the server refuses
}

// Operation is what the document says of one operation.
type Operation struct {
	ID       string
	Method   string
	Path     string // as in the document: /v1/students/{studentId}
	Tag      string
	RateTier RateTier
	// Public operations need no sign-in.
	Public bool
	// Permission is needed to call the operation; empty when being signed in is enough, or Public.
	Permission string
	// Further are permissions that are not needed, and with which the operation does more: its handler asks for them.
	Further []string
	// WholeTenant operations need the permission without a limit to an institution, sections or students.
	WholeTenant bool
	// TakesKey operations can be repeated with an Idempotency-Key.
	TakesKey bool
	// MFAExempt operations answer also while a second factor is asked for.
	MFAExempt bool
	// MaxBodyBytes is the longest body that is read.
	MaxBodyBytes int64
	// Spec is the operation in the document.
	Spec *openapi3.Operation

	route      *routers.Route
	query      map[string]*parameter
	parameters []*parameter
	bodies     map[string]*body // by media type; one of them must be sent

	freshFactor  Factor            // for every request
	freshMembers map[string]Factor // for a body that has the member
}

func (c *Contract) compileOperation(method, path string, item *openapi3.PathItem, spec *openapi3.Operation) (*Operation, error) {
	op := &Operation{
		ID: spec.OperationID, Method: method, Path: path, Spec: spec,
		route:  &routers.Route{Spec: c.Document, Path: path, PathItem: item, Method: method, Operation: spec},
		query:  map[string]*parameter{},
		bodies: map[string]*body{},
	}
	if len(spec.Tags) == 1 {
		op.Tag = spec.Tags[0]
	}
	if err := c.readAccess(op); err != nil {
		return nil, err
	}
	if err := op.readReach(); err != nil {
		return nil, err
	}
	if err := op.readLimits(c.Document); err != nil {
		return nil, err
	}
	if err := op.compileParameters(item); err != nil {
		return nil, err
	}
	if err := op.compileBodies(); err != nil {
		return nil, err
	}
	return op, op.readFactors()
}

// readAccess refuses an operation that says neither who may call it nor that everybody may: with kin-openapi alone such
// an operation would be open.
func (c *Contract) readAccess(op *Operation) error {
	var permission string
	if err := extension(op.Spec.Extensions, "x-permission", &permission); err != nil {
		return err
	}
	op.Public = op.Spec.Security != nil && len(*op.Spec.Security) == 0
	switch {
	case op.Public && permission != "":
		return errors.New("has both security: [] and x-permission")
	case op.Public:
		return nil
	case op.Spec.Security != nil:
		return errors.New("has a security of its own; only the document's, or security: [], is supported")
	case len(c.Document.Security) == 0:
		return errors.New("the document has no global security")
	case permission == "":
		return errors.New("has neither x-permission nor security: []")
	case permission == noPermission:
		return nil
	}
	if _, ok := c.Permissions[permission]; !ok {
		return fmt.Errorf("x-permission %q is not declared in x-permissions", permission)
	}
	op.Permission = permission
	return c.readFurther(op)
}

func (c *Contract) readFurther(op *Operation) error {
	if err := extension(op.Spec.Extensions, "x-further-permissions", &op.Further); err != nil {
		return err
	}
	for _, permission := range op.Further {
		if _, ok := c.Permissions[permission]; !ok {
			return fmt.Errorf("x-further-permissions: %q is not declared in x-permissions", permission)
		}
	}
	return nil
}

// readReach reads on what the permission must hold.
func (op *Operation) readReach() error {
	var reach string
	if err := extension(op.Spec.Extensions, "x-reach", &reach); err != nil {
		return err
	}
	op.WholeTenant = reach == wholeTenant
	switch {
	case reach != "" && !op.WholeTenant:
		return fmt.Errorf("x-reach %q is not %s", reach, wholeTenant)
	case op.WholeTenant && op.Permission == "":
		return errors.New("has x-reach and no x-permission that could reach so far")
	}
	return nil
}

func (op *Operation) readLimits(doc *openapi3.T) error {
	if err := extension(doc.Extensions, "x-max-body-bytes", &op.MaxBodyBytes); err != nil {
		return err
	}
	if err := extension(op.Spec.Extensions, "x-max-body-bytes", &op.MaxBodyBytes); err != nil {
		return err
	}
	if op.MaxBodyBytes <= 0 {
		return errors.New("has no x-max-body-bytes, nor has the document")
	}
	return op.readRateTier(doc)
}

func (op *Operation) readRateTier(doc *openapi3.T) error {
	if err := extension(op.Spec.Extensions, "x-rate-tier", &op.RateTier.Name); err != nil {
		return err
	}
	var declared map[string]rateTier
	if err := extension(doc.Extensions, "x-rate-tiers", &declared); err != nil {
		return err
	}
	tier := declared[op.RateTier.Name]
	op.RateTier.Requests = tier.Requests
	op.RateTier.Per, _ = time.ParseDuration(tier.Per) // no time span is no tier
	return nil
}

func (op *Operation) compileParameters(item *openapi3.PathItem) error {
	refs := append(append(openapi3.Parameters{}, item.Parameters...), op.Spec.Parameters...)
	for _, ref := range refs {
		p, err := compileParameter(ref.Value)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", ref.Value.Name, err)
		}
		op.parameters = append(op.parameters, p)
		op.TakesKey = op.TakesKey || p.location == apperr.Header && p.spec.Name == IdempotencyKey
		if p.spec.In == openapi3.ParameterInQuery {
			op.query[p.spec.Name] = p
		}
	}
	return nil
}

func (op *Operation) compileBodies() error {
	if op.Spec.RequestBody == nil {
		return nil
	}
	for mediaType, content := range op.Spec.RequestBody.Value.Content {
		if content.Schema == nil {
			return fmt.Errorf("body %s: has no schema", mediaType)
		}
		refiner, err := compileRefiner(content.Schema.Value)
		if err != nil {
			return fmt.Errorf("body %s: %w", mediaType, err)
		}
		op.bodies[mediaType] = &body{schema: content.Schema.Value, refiner: refiner}
	}
	return nil
}

// filterInput is what kin-openapi's parameter validation wants to know.
func (op *Operation) filterInput(r *http.Request, path map[string]string) *openapi3filter.RequestValidationInput {
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: path, Route: op.route, Options: parameterOptions,
	}
}
