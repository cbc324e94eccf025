package violation

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

// parameters makes the requests about parameters. In a path nothing can be absent, null or of the type string.
func (o *operation) parameters() {
	unknown := o.good(o.constraint(apperr.Query, "no-such-parameter", apperr.CodeUnknown))
	unknown.Query = append(unknown.Query, [2]string{"no-such-parameter", "1"})
	unknown.Faults = []Fault{{apperr.Query, "no-such-parameter", apperr.CodeUnknown}}
	o.set.breaks(unknown)
	for _, p := range o.Parameters() {
		at := parameterPlace{op: o, spec: p, in: apperr.Location(p.In)}
		at.use()
		at.values()
	}
}

// parameterPlace makes the requests about one parameter.
type parameterPlace struct {
	op   *operation
	spec *openapi3.Parameter
	in   apperr.Location
}

// with is the good request with this parameter sent so often, and with these values.
func (p parameterPlace) with(keyword string, values ...string) Case {
	c := p.op.good(p.op.constraint(p.in, p.spec.Name, keyword))
	switch p.in {
	case apperr.Path:
		c.Path = strings.ReplaceAll(p.op.Path, "{"+p.spec.Name+"}", values[0])
		for _, other := range p.op.Parameters() {
			if other.In == openapi3.ParameterInPath && other.Name != p.spec.Name {
				c.Path = strings.ReplaceAll(c.Path, "{"+other.Name+"}", p.op.samples.parameter(other))
			}
		}
	case apperr.Query:
		c.Query = replace(c.Query, p.spec.Name, values)
	default:
		c.Headers = replace(c.Headers, p.spec.Name, values)
	}
	return c
}

func replace(pairs [][2]string, name string, values []string) [][2]string {
	var out [][2]string
	for _, pair := range pairs {
		if pair[0] != name {
			out = append(out, pair)
		}
	}
	for _, value := range values {
		out = append(out, [2]string{name, value})
	}
	return out
}

func (p parameterPlace) breaks(keyword string, faults []string, values ...string) {
	c := p.with(keyword, values...)
	for _, f := range faults {
		c.Faults = append(c.Faults, Fault{p.in, p.spec.Name, f})
	}
	p.op.set.breaks(c)
}

func (p parameterPlace) keeps(keyword, value string) {
	c := p.with(keyword, value)
	for _, code := range codesOf(p.spec.Schema.Value) {
		c.Kept = append(c.Kept, Fault{p.in, p.spec.Name, code})
	}
	p.op.set.keeps(c)
}

// use is how a parameter is sent, whatever its value.
func (p parameterPlace) use() {
	good := p.op.samples.parameter(p.spec)
	if p.spec.Required && p.in != apperr.Path {
		p.breaks("required", []string{"required"})
	}
	if p.in != apperr.Path {
		p.breaks("repeated", []string{"repeated"}, good, good)
	}
	var others []string
	_ = contract.Convert(p.spec.Extensions["x-excludes"], &others) // the document compiled, so it is a list
	for _, other := range others {
		for _, q := range p.op.Parameters() {
			if q.Name == other {
				c := p.with("excludes", good)
				c.Query = append(c.Query, [2]string{other, p.op.samples.parameter(q)})
				c.Faults = []Fault{{p.in, p.spec.Name, "excludes"}}
				p.op.set.breaks(c)
			}
		}
	}
	if most, capped := number(p.spec.Extensions["x-cap"]); capped {
		p.keeps("x-cap", strconv.Itoa(most+1))
	}
}

// values are what the schema says of the value.
func (p parameterPlace) values() {
	schema := p.spec.Schema.Value
	if !schema.Type.Is(openapi3.TypeString) {
		p.breaks("type", []string{"type"}, "x")
	}
	for _, v := range valuesOf(schema, p.op.samples) {
		text := textOfValue(v.value)
		switch {
		case p.in == apperr.Path && text == "": // another path
		case v.broken == nil:
			p.keeps(v.keyword, text)
		default:
			p.breaks(v.keyword, v.broken, text)
		}
	}
}

// textOfValue is a value as a parameter has it.
func textOfValue(value any) string {
	if n, isNumber := value.(float64); isNumber {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
