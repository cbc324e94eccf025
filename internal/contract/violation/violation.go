// Package violation makes, from the schemas alone, a request for every constraint that the document puts on requests: one
// that breaks just this constraint and is good otherwise, with the faults that the answer must list. And the reverse:
// values that just keep a constraint, at which nothing may be found wrong.
//
// The requests start from the examples of the document, and where these leave a member out, from a value that its schema
// takes. A value is chosen so that it still breaks the constraint after x-normalize. Where a value cannot break one
// constraint alone (one that is longer than its pattern takes breaks both) the faults say so.
package violation

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Constraint is one rule of one place of a request.
type Constraint struct {
	Operation string
	In        apperr.Location
	Place     string // a pointer into the body with * for any item, or the name of a parameter
	Keyword   string
}

// Case is a request about one constraint.
type Case struct {
	Constraint

	Method  string
	Path    string // with its parameters
	Query   [][2]string
	Headers [][2]string
	Body    any // JSON; sent when HasBody
	HasBody bool
	// Faults are what must be found when the request breaks the constraint; nil when it keeps it.
	Faults []Fault
	// Kept are the faults that may not be found when the request keeps the constraint: of its place, of any keyword of its
	// schema. A rule that looks at what is stored may still find another.
	Kept []Fault
}

// Fault is an entry of errors, without its words. Pointer is for the body, Field for the rest.
type Fault struct {
	In             apperr.Location
	Place, Keyword string // Place is the pointer in the body, the name elsewhere
}

// Set is all that a document asks for.
type Set struct {
	Broken []Case // at least one for each of Constraints
	Kept   []Case
}

// Of makes the requests for all operations.
func Of(c *contract.Contract) Set {
	var set Set
	samples := samplesOf(c)
	for _, id := range slices.Sorted(maps.Keys(c.Operations)) {
		o := &operation{Operation: c.Operations[id], set: &set, samples: samples}
		o.parameters()
		o.body()
	}
	return set
}

// operation makes the requests for one operation.
type operation struct {
	*contract.Operation

	set     *Set
	samples samples
}

// good is the request that the others start from.
func (o *operation) good(constraint Constraint) Case {
	c := Case{Constraint: constraint, Method: o.Method, Path: o.Path}
	for _, p := range o.Parameters() {
		switch {
		case p.In == openapi3.ParameterInPath:
			c.Path = strings.ReplaceAll(c.Path, "{"+p.Name+"}", o.samples.parameter(p))
		case p.Required && p.In == openapi3.ParameterInQuery:
			c.Query = append(c.Query, [2]string{p.Name, o.samples.parameter(p)})
		case p.Required && p.In == openapi3.ParameterInHeader:
			c.Headers = append(c.Headers, [2]string{p.Name, o.samples.parameter(p)})
		}
	}
	if schema := o.bodySchema(); schema != nil {
		c.Body, c.HasBody = o.samples.body(o.Operation, schema), true
	}
	return c
}

func (o *operation) bodySchema() *openapi3.Schema {
	if o.Spec.RequestBody == nil {
		return nil
	}
	return o.Spec.RequestBody.Value.Content["application/json"].Schema.Value
}

func (o *operation) constraint(in apperr.Location, place, keyword string) Constraint {
	return Constraint{Operation: o.ID, In: in, Place: place, Keyword: keyword}
}

func (s *Set) breaks(c Case) { s.Broken = append(s.Broken, c) }

func (s *Set) keeps(c Case) { s.Kept = append(s.Kept, c) }
