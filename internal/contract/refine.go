package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract/normalize"
	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// refiner is the part of a body schema that kin-openapi does not know, or does not do well: this project's extensions,
// defaults, and a bound on the faults of one body. It is a tree beside the schema's; members that need nothing are left
// out of it.
type refiner struct {
	normalizer normalize.Normalizer
	integer    bool
	notFuture  bool
	maxBytes   int
	maxDepth   int
	uniqueBy   [][]string
	bound      bound
	fallback   any // the default; nil is none
	members    []member
	items      *refiner
	checks     bool // it or one below it can find faults; most strings only normalise
}

// member is the refiner of a named property; they are kept in the order of their names.
type member struct {
	name string
	*refiner
}

// compileRefiner compiles a schema; within are those that it stands in.
func compileRefiner(schema *openapi3.Schema, within ...*openapi3.Schema) (*refiner, error) {
	if slices.Contains(within, schema) {
		return nil, errors.New("holds itself, which is not supported")
	}
	r := &refiner{integer: schema.Type.Is(openapi3.TypeInteger), bound: boundOf(schema)}
	if err := r.readExtensions(schema); err != nil {
		return nil, err
	}
	if err := r.readDefault(schema); err != nil {
		return nil, err
	}
	if err := r.compileChildren(schema, append(slices.Clone(within), schema)); err != nil {
		return nil, err
	}
	r.checks = r.hasChecks()
	return r, nil
}

func (r *refiner) hasChecks() bool {
	own := r.integer || r.notFuture || r.maxBytes > 0 || r.maxDepth > 0 || r.uniqueBy != nil
	return own || r.items != nil && r.items.checks || slices.ContainsFunc(r.members, func(m member) bool { return m.checks })
}

func (r *refiner) readExtensions(schema *openapi3.Schema) error {
	for key, target := range map[string]any{
		"x-not-future": &r.notFuture, "x-max-bytes": &r.maxBytes, "x-max-depth": &r.maxDepth, "x-unique-by": &r.uniqueBy,
	} {
		if err := extension(schema.Extensions, key, target); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(r.uniqueBy, func(key []string) bool { return len(key) == 0 }) {
		return errors.New("x-unique-by: a key names no member")
	}
	var err error
	r.normalizer, err = normalizerOf(schema)
	return err
}

// readDefault takes the default as a request would have sent it. One value serves all requests, so it must be one that
// nobody can change.
func (r *refiner) readDefault(schema *openapi3.Schema) error {
	if schema.Default == nil {
		return nil
	}
	raw, err := json.Marshal(schema.Default)
	if err != nil {
		return fmt.Errorf("default: %w", err)
	}
	r.fallback, err = strictjson.Decode(raw)
	switch r.fallback.(type) {
	case map[string]any, []any:
		return errors.New("default: only strings, numbers and booleans are supported")
	}
	return err
}

func (r *refiner) compileChildren(schema *openapi3.Schema, within []*openapi3.Schema) error {
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		child, err := compileRefiner(schema.Properties[name].Value, within...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !child.isEmpty() {
			r.members = append(r.members, member{name, child})
		}
	}
	if schema.Items == nil {
		return nil
	}
	items, err := compileRefiner(schema.Items.Value, within...)
	if err == nil && !items.isEmpty() {
		r.items = items
	}
	return err
}

func (r *refiner) isEmpty() bool {
	return r.normalizer == normalize.Normalizer{} && !r.integer && !r.notFuture && r.maxBytes == 0 && r.maxDepth == 0 &&
		r.uniqueBy == nil && r.bound.isNone() && r.fallback == nil && r.members == nil && r.items == nil
}

func normalizerOf(schema *openapi3.Schema) (normalize.Normalizer, error) {
	var steps []string
	if err := extension(schema.Extensions, "x-normalize", &steps); err != nil {
		return normalize.Normalizer{}, err
	}
	return normalize.Parse(steps)
}

// refine returns value with its strings normalised, its whole numbers written as such, and defaults for absent members.
// Objects and arrays are changed in place: they were decoded for this request alone.
func (r *refiner) refine(value any) any {
	switch v := value.(type) {
	case string:
		if normal := r.normalizer.String(v); normal != v {
			return normal
		}
	case json.Number:
		if n := r.number(v); n != v {
			return n
		}
	case map[string]any:
		r.bound.object(v)
		r.refineMembers(v)
	case []any:
		v = r.bound.list(v)
		if r.items != nil {
			for i, item := range v {
				v[i] = r.items.refine(item)
			}
		}
		return v
	}
	return value
}

// refineMembers leaves a null alone: it is a value, and not an absent one.
func (r *refiner) refineMembers(object map[string]any) {
	for _, m := range r.members {
		if value, sent := object[m.name]; sent {
			object[m.name] = m.refine(value)
		} else if m.fallback != nil {
			object[m.name] = m.fallback
		}
	}
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
		for _, m := range r.members {
			if value, sent := v[m.name]; sent && m.checks {
				fields = append(fields, m.faults(value, append(slices.Clone(path), m.name)...)...)
			}
		}
	case []any:
		fields = append(fields, r.repetitions(v, path)...)
		if r.items != nil && r.items.checks {
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
