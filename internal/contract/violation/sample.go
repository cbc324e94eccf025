package violation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// samples are good values by schema: those of the document's examples first.
type samples map[*openapi3.Schema]any

func samplesOf(c *contract.Contract) samples {
	s := samples{}
	for _, id := range slices.Sorted(maps.Keys(c.Operations)) {
		op := c.Operations[id]
		if op.Spec.RequestBody == nil {
			continue
		}
		for _, content := range op.Spec.RequestBody.Value.Content {
			for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
				s.learn(content.Schema.Value, contract.Plain(content.Examples[name].Value.Value))
			}
		}
	}
	return s
}

// learn remembers the first good value of each schema.
func (s samples) learn(schema *openapi3.Schema, value any) {
	if _, known := s[schema]; !known && value != nil && len(brokenBy(schema, value)) == 0 {
		s[schema] = value
	}
	switch v := value.(type) {
	case map[string]any:
		for name, ref := range schema.Properties {
			if member, sent := v[name]; sent {
				s.learn(ref.Value, member)
			}
		}
	case []any:
		for _, item := range v {
			s.learn(schema.Items.Value, item)
		}
	}
}

// value is a good value of a schema.
func (s samples) value(schema *openapi3.Schema) any {
	if known, ok := s[schema]; ok {
		return contract.Plain(known)
	}
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is(openapi3.TypeString):
		return madeText(schema)
	case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeNumber):
		if schema.Min != nil {
			return *schema.Min
		}
		return 1.0
	case schema.Type.Is(openapi3.TypeBoolean):
		return true
	case schema.Type.Is(openapi3.TypeArray):
		return []any{s.value(schema.Items.Value)}
	}
	object := map[string]any{}
	for _, name := range schema.Required {
		object[name] = s.value(schema.Properties[name].Value)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if uint64(len(object)) < schema.MinProps {
			object[name] = s.value(schema.Properties[name].Value)
		}
	}
	return object
}

func madeText(schema *openapi3.Schema) string {
	switch schema.Format {
	case "uuid":
		return "01900000-0000-7000-8000-0000000000aa"
	case "date":
		return "2026-06-01"
	case "date-time":
		return "2026-06-01T08:00:00Z"
	case "email":
		return "sample@example.org"
	case "time-zone":
		return "Asia/Kolkata"
	}
	if schema.Pattern != "" {
		return matching(schema)
	}
	return plainText(max(int(schema.MinLength), 8))
}

// parameter is a good value of a parameter, as it is sent.
func (s samples) parameter(p *openapi3.Parameter) string {
	for _, name := range slices.Sorted(maps.Keys(p.Examples)) {
		return fmt.Sprint(p.Examples[name].Value.Value)
	}
	return fmt.Sprint(s.value(p.Schema.Value))
}

// body is the operation's first example that has most members, with every list filled.
func (s samples) body(op *contract.Operation, schema *openapi3.Schema) any {
	best, most := any(nil), -1
	examples := op.Spec.RequestBody.Value.Content["application/json"].Examples
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		value := contract.Plain(examples[name].Value.Value)
		if size := len(fmt.Sprint(value)); size > most {
			best, most = value, size
		}
	}
	if best == nil {
		best = s.value(schema)
	}
	return best
}

// pointer is a place in words of RFC 6901, and with * for items.
func pointer(path []any) (exact, pattern string) {
	var a, b strings.Builder
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, p := range path {
		token := escape.Replace(fmt.Sprint(p))
		a.WriteString("/" + token)
		if _, isItem := p.(int); isItem {
			token = "*"
		}
		b.WriteString("/" + token)
	}
	return a.String(), b.String()
}
