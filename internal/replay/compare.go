package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// comparison holds an answer against its example. What the server makes anew is compared by its kind: times, secrets, ids
// that no request names, and what x-compare says.
type comparison struct {
	vars        vars            // grows by what the answer binds
	makes       map[string]bool // literals that this answer makes
	anchored    map[string]bool // ids that requests name, so that they stand for themselves
	exact       bool            // lists have no other rows
	differences []Difference
}

func (c *comparison) differ(where string, expected, actual any) {
	c.differences = append(c.differences, Difference{where, show(expected), show(actual)})
}

func (c *comparison) value(at, member string, schema *openapi3.Schema, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			c.object(at, schema, w, g)
			return
		}
	case []any:
		if g, ok := got.([]any); ok {
			c.list(at, member, schema, w, g)
			return
		}
	case string:
		if g, ok := got.(string); ok {
			c.text(at, member, schema, w, g)
			return
		}
	case float64:
		if g, ok := got.(float64); ok && c.sameNumber(member, schema, w, g) {
			return
		}
	default:
		if want == got {
			return
		}
	}
	c.differ(at, want, got)
}

func (c *comparison) object(at string, schema *openapi3.Schema, want, got map[string]any) {
	names := slices.Sorted(maps.Keys(want))
	for name := range got {
		if _, known := want[name]; !known {
			names = append(names, name)
		}
	}
	for _, name := range names {
		place := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		w, wanted := want[name]
		g, there := got[name]
		if !wanted || !there {
			c.differ(place, w, g)
			continue
		}
		c.value(place, name, propertyOf(schema, name), w, g)
	}
}

// list wants the rows of the example in their order; others may stand between them when the list is not the example's
// alone.
func (c *comparison) list(at, member string, schema *openapi3.Schema, want, got []any) {
	if len(got) != len(want) && (c.exact || member != "data" || len(got) < len(want)) {
		c.differ(at, fmt.Sprint(len(want), " rows"), fmt.Sprint(len(got), " rows"))
		return
	}
	items, from := itemsOf(schema), 0
	for i, w := range want {
		if len(got) > len(want) {
			from = c.find(items, w, got, from)
		}
		if from >= len(got) {
			c.differ(fmt.Sprintf("%s/%d", at, i), w, nil)
			return
		}
		c.value(fmt.Sprintf("%s/%d", at, i), member, items, w, got[from])
		from++
	}
}

// find is the place of the first row, from a place on, that is as an example's.
func (c *comparison) find(schema *openapi3.Schema, want any, got []any, from int) int {
	for i := from; i < len(got); i++ {
		try := *c
		try.vars, try.differences = maps.Clone(c.vars), nil
		if try.value("", "", schema, want, got[i]); len(try.differences) == 0 {
			return i
		}
	}
	return len(got)
}

func (c *comparison) text(at, member string, schema *openapi3.Schema, want, got string) {
	switch {
	case c.makes[want] && (isID(want) == isID(got)) && got != "":
		c.vars[want] = got
	case c.vars.text(member, want) == got:
	case isTime(want) && isTime(got):
	case compares(schema) == "type" && got != "":
	case isSecret(schema) && got != "":
	case c.isFree(want) && isID(got):
		c.vars[want] = got
	default:
		c.differ(at, c.vars.text(member, want), got)
	}
}

// isFree is true of an id that nothing else names, and that has not been seen yet: it stands for the server's.
func (c *comparison) isFree(want string) bool {
	_, known := c.vars[want]
	return isID(want) && !known && !c.anchored[want]
}

func (c *comparison) sameNumber(member string, schema *openapi3.Schema, want, got float64) bool {
	if literal := uniqueLiteral(member, number(want)); c.vars[literal] != "" {
		return c.vars[literal] == number(got)
	}
	return want == got || compares(schema) == "at-least" && !c.exact && got > want
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

// compares is how a member of an answer is compared with its example: "type", "at-least", or empty for by its value.
func compares(schema *openapi3.Schema) string {
	if schema == nil {
		return ""
	}
	how, _ := schema.Extensions["x-compare"].(string)
	return how
}
