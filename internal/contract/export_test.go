package contract

import (
	"slices"
)

// Extensions are all x- keys that the document may have anywhere.
func Extensions() []string {
	var keys []string
	for _, p := range places {
		keys = append(keys, p.extensions...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// BodyFaults is bodyFaults.
var BodyFaults = bodyFaults

// MostUnknown is mostUnknown.
const MostUnknown = mostUnknown
