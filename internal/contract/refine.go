package contract

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract/normalize"
)

// refiner is the part of a body schema that kin-openapi does not know: this project's extensions, as a tree beside the
// schema's. Members that need nothing are left out of it.
type refiner struct {
	normalizer normalize.Normalizer
	integer    bool
	notFuture  bool
	maxBytes   int
	maxDepth   int
	uniqueBy   [][]string
	members    map[string]*refiner
	items      *refiner
}

func compileRefiner(schema *openapi3.Schema) (*refiner, error) {
	r := &refiner{integer: schema.Type.Is(openapi3.TypeInteger)}
	var err error
	if r.normalizer, err = normalizerOf(schema); err != nil {
		return nil, err
	}
	for key, target := range map[string]any{
		"x-not-future": &r.notFuture, "x-max-bytes": &r.maxBytes, "x-max-depth": &r.maxDepth, "x-unique-by": &r.uniqueBy,
	} {
		if err := extension(schema.Extensions, key, target); err != nil {
			return nil, err
		}
	}
	return r, r.compileChildren(schema)
}

func (r *refiner) compileChildren(schema *openapi3.Schema) error {
	for name, ref := range schema.Properties {
		child, err := compileRefiner(ref.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if child.isEmpty() {
			continue
		}
		if r.members == nil {
			r.members = map[string]*refiner{}
		}
		r.members[name] = child
	}
	if schema.Items == nil {
		return nil
	}
	items, err := compileRefiner(schema.Items.Value)
	if err == nil && !items.isEmpty() {
		r.items = items
	}
	return err
}

func (r *refiner) isEmpty() bool {
	return r.normalizer == normalize.Normalizer{} && !r.integer && !r.notFuture && r.maxBytes == 0 && r.maxDepth == 0 &&
		r.uniqueBy == nil && r.members == nil && r.items == nil
}

func normalizerOf(schema *openapi3.Schema) (normalize.Normalizer, error) {
	var steps []string
	if err := extension(schema.Extensions, "x-normalize", &steps); err != nil {
		return normalize.Normalizer{}, err
	}
	return normalize.Parse(steps)
}

// normalize returns value with its strings normalised and its whole numbers written as such. Objects and arrays are
// changed in place: they were decoded for this request alone.
func (r *refiner) normalize(value any) any {
	switch v := value.(type) {
	case string:
		return r.normalizer.String(v)
	case json.Number:
		return r.number(v)
	case map[string]any:
		for name, child := range r.members {
			if member, ok := v[name]; ok {
				v[name] = child.normalize(member)
			}
		}
	case []any:
		if r.items != nil {
			for i, item := range v {
				v[i] = r.items.normalize(item)
			}
		}
	}
	return value
}

// number rewrites 1.0 and 1e2, which are integers to JSON Schema, as Go's integers want them. Only short ones: a float64
// would round 0.99999999999999999999 to 1.
func (r *refiner) number(n json.Number) json.Number {
	const exact, digits = 1 << 53, 15
	if !r.integer || !isSpelledAsFraction(n) || len(n) > digits {
		return n
	}
	if f, err := n.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) < exact {
		return json.Number(strconv.FormatInt(int64(f), 10))
	}
	return n
}

func isSpelledAsFraction(n json.Number) bool { return strings.ContainsAny(string(n), ".eE") }

// faults reports what breaks an extension's rule. It looks at a value that may be of any shape, since kin-openapi
// reports wrong types itself.
func (r *refiner) faults(value any, path ...any) []apperr.Field {
	fields := r.ownFaults(value, path)
	switch v := value.(type) {
	case map[string]any:
		for name, child := range r.members {
			if member, ok := v[name]; ok {
				fields = append(fields, child.faults(member, append(slices.Clone(path), name)...)...)
			}
		}
	case []any:
		fields = append(fields, r.repetitions(v, path)...)
		if r.items != nil {
			for i, item := range v {
				fields = append(fields, r.items.faults(item, append(slices.Clone(path), i)...)...)
			}
		}
	}
	return fields
}

func (r *refiner) ownFaults(value any, path []any) []apperr.Field {
	var fields []apperr.Field
	if n, ok := value.(json.Number); ok && r.integer && isSpelledAsFraction(n) {
		fields = append(fields, apperr.BodyField("type", integerMessage, path...))
	}
	if s, ok := value.(string); ok && r.notFuture && isFuture(s) {
		fields = append(fields, apperr.BodyField("future", "Must not be in the future", path...))
	}
	if r.maxBytes > 0 && encodedSize(value) > r.maxBytes {
		fields = append(fields, apperr.BodyField("maxBytes", fmt.Sprintf("At most %d bytes of JSON", r.maxBytes), path...))
	}
	if r.maxDepth > 0 && depth(value) > r.maxDepth {
		fields = append(fields, apperr.BodyField("maxDepth", fmt.Sprintf("At most %d levels deep", r.maxDepth), path...))
	}
	return fields
}

// repetitions reports the items of a list that have the same values as an earlier one in all members of a key
// (x-unique-by), at the last member of the key.
func (r *refiner) repetitions(list []any, path []any) []apperr.Field {
	var fields []apperr.Field
	for _, key := range r.uniqueBy {
		seen := map[string]bool{}
		for i, item := range list {
			value, complete := keyValue(item, key)
			if complete && seen[value] {
				at := append(slices.Clone(path), i, key[len(key)-1])
				fields = append(fields, apperr.BodyField("unique", "Given twice in this request", at...))
			}
			seen[value] = true
		}
	}
	return fields
}

// keyValue joins an item's values of a key; incomplete when one is absent or no scalar.
func keyValue(item any, key []string) (string, bool) {
	object, _ := item.(map[string]any)
	var joined strings.Builder
	for _, name := range key {
		switch v := object[name].(type) {
		case string, json.Number:
			fmt.Fprintf(&joined, "%q,", v)
		default:
			return "", false
		}
	}
	return joined.String(), true
}

// isFuture is true for a day that has not begun anywhere on Earth: the easternmost clocks are 14 hours ahead of UTC.
func isFuture(date string) bool {
	day, err := time.Parse(time.DateOnly, date)
	return err == nil && day.After(time.Now().UTC().Add(14*time.Hour))
}

func encodedSize(value any) int {
	raw, err := json.Marshal(value)
	if err != nil {
		return math.MaxInt
	}
	return len(raw)
}

// depth counts the levels of arrays and objects; a scalar has none.
func depth(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depth(member))
		}
	case []any:
		for _, item := range v {
			deepest = max(deepest, depth(item))
		}
	default:
		return 0
	}
	return deepest + 1
}
