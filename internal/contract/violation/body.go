package violation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

// body makes the requests about the body. All media types of an operation have one schema, so one of them stands for all.
func (o *operation) body() {
	if schema := o.bodySchema(); schema != nil {
		missing := o.good(o.constraint(apperr.Body, "", "requestBody"))
		missing.HasBody = false
		missing.Faults = []Fault{{apperr.Body, "", "empty"}}
		o.set.breaks(missing)
		(&bodyPlace{operation: o, schema: schema}).all()
	}
}

// bodyPlace makes the requests about one place in the body, and those in it.
type bodyPlace struct {
	*operation

	schema *openapi3.Schema
	path   []any
	within []bodyPlace // from the outermost
}

// in is a place in this one.
func (b *bodyPlace) in(schema *openapi3.Schema, token any) *bodyPlace {
	return &bodyPlace{operation: b.operation, schema: schema, path: append(slices.Clone(b.path), token), within: append(slices.Clone(b.within), *b)}
}

// with is the good request with a value at this place, and whatever must be there for it.
func (b *bodyPlace) with(keyword string, value any) Case {
	_, place := pointer(b.path)
	c := b.good(b.constraint(apperr.Body, place, keyword))
	c.Body = b.put(c.Body, 0, func(any) any { return value })
	return c
}

// changed is the good request with the value at this place changed.
func (b *bodyPlace) changed(keyword string, change func(any) any) Case {
	c := b.with(keyword, nil)
	c.Body = b.put(b.good(c.Constraint).Body, 0, change)
	return c
}

// put rebuilds a value with the one at this place changed; what lacks on the way is filled in.
func (b *bodyPlace) put(value any, depth int, change func(any) any) any {
	schema := b.schema
	if depth < len(b.within) {
		schema = b.within[depth].schema
	}
	if isEmpty(value) {
		value = b.samples.value(schema)
	}
	if depth == len(b.path) {
		return change(value)
	}
	switch token := b.path[depth].(type) {
	case string:
		object, _ := value.(map[string]any)
		return withMember(schema, object, token, b.put(object[token], depth+1, change))
	default:
		list, _ := value.([]any)
		list = slices.Clone(list)
		list[0] = b.put(list[0], depth+1, change)
		return list
	}
}

// isEmpty is true of what is not there, and of a list without an item to change.
func isEmpty(value any) bool {
	list, isList := value.([]any)
	return value == nil || isList && len(list) == 0
}

func (b *bodyPlace) breaks(c Case, keywords ...string) {
	exact, _ := pointer(b.path)
	for _, k := range keywords {
		c.Faults = append(c.Faults, Fault{apperr.Body, exact, k})
	}
	b.set.breaks(c)
}

func (b *bodyPlace) keeps(c Case) {
	exact, _ := pointer(b.path)
	for _, code := range codesOf(b.schema) {
		c.Kept = append(c.Kept, Fault{apperr.Body, exact, code})
	}
	b.set.keeps(c)
}

func (b *bodyPlace) all() {
	b.kind()
	for _, v := range valuesOf(b.schema, b.samples) {
		c := b.with(v.keyword, v.value)
		if v.broken == nil {
			b.keeps(c)
		} else {
			b.breaks(c, v.broken...)
		}
	}
	switch {
	case b.schema.Type.Is(openapi3.TypeObject):
		b.object()
	case b.schema.Type.Is(openapi3.TypeArray):
		b.list()
	}
}

// kind is about null and the type. Where there is an enum both are its affair: they are none of its values.
func (b *bodyPlace) kind() {
	wrong := any("x")
	switch {
	case b.schema.Type.Is(openapi3.TypeString):
		wrong = 17
	case b.schema.Type.Is(openapi3.TypeObject):
		wrong = []any{}
	case b.schema.Type.Is(openapi3.TypeArray):
		wrong = map[string]any{}
	}
	typeKeyword, nullKeyword := "type", "nullable"
	if len(b.schema.Enum) > 0 {
		typeKeyword, nullKeyword = "enum", "enum"
	}
	b.breaks(b.with(typeKeyword, wrong), typeKeyword)
	if b.schema.Nullable {
		b.keeps(b.with("nullable", nil))
	} else {
		b.breaks(b.with(nullKeyword, nil), nullKeyword)
	}
}

func (b *bodyPlace) object() {
	for _, name := range b.schema.Required {
		b.in(b.schema.Properties[name].Value, name).missing(b)
	}
	if closed := b.schema.AdditionalProperties.Has; closed != nil && !*closed {
		c := b.changed("additionalProperties", func(v any) any {
			object, _ := v.(map[string]any)
			return withMember(b.schema, object, "noSuchMember", 1)
		})
		exact, _ := pointer(append(slices.Clone(b.path), "noSuchMember"))
		c.Faults = []Fault{{apperr.Body, exact, "additionalProperties"}}
		b.set.breaks(c)
	}
	b.size()
	for _, name := range slices.Sorted(maps.Keys(b.schema.Properties)) {
		b.in(b.schema.Properties[name].Value, name).all()
	}
}

// missing leaves a required member out.
func (b *bodyPlace) missing(parent *bodyPlace) {
	_, place := pointer(b.path)
	name, _ := b.path[len(b.path)-1].(string)
	c := parent.changed("required", func(v any) any {
		object, _ := v.(map[string]any)
		object = maps.Clone(object)
		delete(object, name)
		return object
	})
	c.Place = place
	b.breaks(c, "required")
}

// withMember is an object with a member, in the place of others where there is no room for more.
func withMember(schema *openapi3.Schema, object map[string]any, name string, value any) map[string]any {
	object = maps.Clone(object)
	object[name] = value
	for _, other := range slices.Sorted(maps.Keys(object)) {
		full := schema.MaxProps != nil && uint64(len(object)) > *schema.MaxProps
		if full && other != name && !slices.Contains(schema.Required, other) {
			delete(object, other)
		}
	}
	return object
}

// size is about how many members an object of free names has, how long it is written, and how deep.
func (b *bodyPlace) size() {
	if b.schema.MinProps > 0 {
		b.breaks(b.with("minProperties", map[string]any{}), "minProperties")
	}
	if b.schema.MaxProps != nil && len(b.schema.Properties) == 0 {
		b.breaks(b.with("maxProperties", members(int(*b.schema.MaxProps)+1)), "maxProperties")
		b.keeps(b.with("maxProperties", members(int(*b.schema.MaxProps))))
	}
	if b.schema.MaxProps != nil && len(b.schema.Properties) > 0 {
		b.breaks(b.with("maxProperties", b.everyMember()), "maxProperties")
	}
	if most, given := number(b.schema.Extensions["x-max-bytes"]); given {
		b.breaks(b.with("x-max-bytes", bytesLong(most+1)), "maxBytes")
		b.keeps(b.with("x-max-bytes", bytesLong(most)))
	}
	if most, given := number(b.schema.Extensions["x-max-depth"]); given {
		b.breaks(b.with("x-max-depth", nested(most+1)), "maxDepth")
		b.keeps(b.with("x-max-depth", nested(most)))
	}
}

// everyMember is an object with all members that it can have.
func (b *bodyPlace) everyMember() map[string]any {
	object := map[string]any{}
	for name, ref := range b.schema.Properties {
		object[name] = b.samples.value(ref.Value)
	}
	return object
}

func members(n int) map[string]any {
	object := map[string]any{}
	for i := range n {
		object[fmt.Sprintf("m%d", i)] = i
	}
	return object
}

// bytesLong is an object that takes n bytes: {"m":"..."} has eight besides the text.
func bytesLong(n int) map[string]any { return map[string]any{"m": strings.Repeat("x", n-8)} }

func nested(levels int) map[string]any {
	object := map[string]any{}
	for range levels - 1 {
		object = map[string]any{"m": object}
	}
	return object
}

func number(value any) (int, bool) {
	var n int
	if value == nil || contract.Convert(value, &n) != nil {
		return 0, false
	}
	return n, true
}

func (b *bodyPlace) list() {
	if b.schema.MinItems > 0 {
		b.breaks(b.with("minItems", []any{}), "minItems")
		b.keeps(b.with("minItems", b.items(int(b.schema.MinItems))))
	}
	if b.schema.MaxItems != nil {
		tooMany := b.items(int(*b.schema.MaxItems) + 1)
		b.breaks(b.with("maxItems", tooMany), append([]string{"maxItems"}, b.repeated(tooMany)...)...)
		if full := b.items(int(*b.schema.MaxItems)); len(b.repeated(full)) == 0 {
			b.keeps(b.with("maxItems", full))
		}
	}
	if b.schema.UniqueItems {
		item := b.samples.value(b.schema.Items.Value)
		b.breaks(b.with("uniqueItems", []any{item, item}), "uniqueItems")
	}
	b.keys()
	b.in(b.schema.Items.Value, 0).all()
}

// repeated is uniqueItems where there are not so many different items as a list has: an enum has few values.
func (b *bodyPlace) repeated(list []any) []string {
	seen := map[string]bool{}
	for _, item := range list {
		seen[fmt.Sprint(item)] = true
	}
	if b.schema.UniqueItems && len(seen) < len(list) {
		return []string{"uniqueItems"}
	}
	return nil
}

// keys are about x-unique-by: two items with the same values in all members of one key.
func (b *bodyPlace) keys() {
	var keys [][]string
	if b.schema.Extensions["x-unique-by"] == nil || contract.Convert(b.schema.Extensions["x-unique-by"], &keys) != nil {
		return
	}
	for _, key := range keys {
		pair := b.items(2)
		first, _ := pair[0].(map[string]any)
		second, _ := pair[1].(map[string]any)
		for _, member := range key {
			if first[member] == nil {
				first[member] = b.samples.value(b.schema.Items.Value.Properties[member].Value)
			}
			second[member] = first[member]
		}
		c := b.with("x-unique-by "+strings.Join(key, ", "), pair)
		exact, _ := pointer(append(slices.Clone(b.path), 1, key[len(key)-1]))
		c.Faults = []Fault{{apperr.Body, exact, "unique"}}
		b.set.breaks(c)
	}
}

// items are n good items that no rule about repetition finds equal.
func (b *bodyPlace) items(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = b.distinct(b.schema.Items.Value, i)
	}
	return list
}

// distinct is a good value that differs from its neighbours, in every member that a key may have.
func (b *bodyPlace) distinct(schema *openapi3.Schema, i int) any {
	value := b.samples.value(schema)
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, name := range schema.Required {
			out[name] = b.distinct(schema.Properties[name].Value, i)
		}
		return out
	case string:
		return distinctText(schema, v, i)
	}
	return value
}

func distinctText(schema *openapi3.Schema, value string, i int) string {
	if len(schema.Enum) > 0 {
		text, _ := schema.Enum[i%len(schema.Enum)].(string)
		return text
	}
	candidates := []string{fmt.Sprintf("%s%d", value, i), fmt.Sprintf("%0*d", len(value), i), value + string(rune('a'+i/26)) + string(rune('a'+i%26))}
	if schema.Format == "uuid" {
		candidates = []string{uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, value, i)).String()}
	}
	for _, c := range candidates {
		if len(brokenBy(schema, c)) == 0 {
			return c
		}
	}
	return value
}
