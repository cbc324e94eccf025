// Package contract is openapi.yaml at work: the document compiled once into a table, and every request held against it.
//
// For each operation the table has what the document says: permission, body limit, parameters, body schemas, and this
// project's extensions (docs/spec-extensions.md). Operation.Check takes a request through it: parameters are capped and
// filled with defaults, strings normalised, kin-openapi validates, and all faults come back in one *apperr.Error. A body
// is decoded once; the generated handler binds the very value that was validated, so what was checked is what is used.
//
// To add an operation, write it in openapi.yaml and run `make generate`; nothing is said here again. Lint says what the
// document lacks.
package contract

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// YAML is the document as it was written. `make generate` copies it here from the top of the repository, because a
// package cannot embed what is above it.
//
//go:embed openapi.yaml
var YAML []byte

// Contract is the compiled document. It is immutable and safe for concurrent use.
type Contract struct {
	Document   *openapi3.T
	JSON       []byte                // the document as JSON
	Operations map[string]*Operation // by operationId
	// Permissions are all that are declared, with what they are for.
	Permissions map[string]string
	roles       map[string]Role
	schemas     map[string]*body
}

// Load compiles the embedded document. An error is a fault of the document.
func Load() (*Contract, error) { return Compile(YAML) }

// Compile compiles a document.
func Compile(document []byte) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml as JSON: %w", err)
	}
	c := &Contract{Document: doc, JSON: asJSON, Operations: map[string]*Operation{}, schemas: map[string]*body{}}
	if err := c.readRoot(); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := c.compileSchemas(); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := c.compileOperations(); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return c, nil
}

func (c *Contract) readRoot() error {
	if err := extension(c.Document.Extensions, "x-permissions", &c.Permissions); err != nil {
		return err
	}
	return c.readRoles()
}

func (c *Contract) compileSchemas() error {
	if c.Document.Components == nil {
		return nil
	}
	schemas := c.Document.Components.Schemas
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		refiner, err := compileRefiner(schemas[name].Value)
		if err != nil {
			return fmt.Errorf("schema %s: %w", name, err)
		}
		c.schemas[name] = &body{schema: schemas[name].Value, refiner: refiner}
	}
	return nil
}

func (c *Contract) compileOperations() error {
	paths := c.Document.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for method, operation := range item.Operations() {
			op, err := c.compileOperation(method, path, item, operation)
			if err != nil {
				return fmt.Errorf("%s: %w", operation.OperationID, err)
			}
			c.Operations[op.ID] = op
		}
	}
	return nil
}

// extension reads an x- key into target; an absent one leaves it as it is.
func extension(from map[string]any, key string, target any) error {
	if err := Convert(from[key], target); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}
