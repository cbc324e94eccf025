package contract

import (
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// mostUnknown is how many unknown names of one object, or of one query, are reported.
const mostUnknown = 50

// bound keeps the number of faults of a body within what its schema has room for. Every fault is reported, and a body of
// 64 KiB has room for 20,000 unknown names, or items of a list for four.
//
// What is cut is never accepted: so much stays that the object or the list still breaks the rule that it broke.
type bound struct {
	closed bool             // an object that takes no other names than known
	known  openapi3.Schemas // the names of the object
	items  *uint64          // the longest list; nil is no bound
}

func boundOf(schema *openapi3.Schema) bound {
	has := schema.AdditionalProperties.Has
	return bound{closed: has != nil && !*has, known: schema.Properties, items: schema.MaxItems}
}

func (b bound) isNone() bool { return !b.closed && b.items == nil }

// list cuts a list behind the first item too many.
func (b bound) list(list []any) []any {
	if b.items == nil || uint64(len(list)) <= *b.items {
		return list
	}
	return list[:*b.items+1]
}

// object drops the unknown names of an object beyond the first.
func (b bound) object(object map[string]any) {
	if !b.closed || len(object) <= mostUnknown {
		return
	}
	unknown := unknownNames(object, b.known)
	for _, name := range unknown[min(mostUnknown, len(unknown)):] {
		delete(object, name)
	}
}

// unknownNames are the names of an object that a schema does not have, sorted.
func unknownNames(object map[string]any, known openapi3.Schemas) []string {
	var names []string
	for name := range object {
		if _, ok := known[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
