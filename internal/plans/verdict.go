package plans

import "fmt"

// perRow is how many rows may be read for each row returned.
const perRow = 50

// share is how many rows of a large table may be read sequentially for each row returned: who wants a tenth of a table or more reads
// it best as it lies.
const share = 10

// policies is how often a statement may find out anew what its view reaches: once for each table with a policy that it and its
// triggers touch.
const policies = 6

// Fault is a reading that breaks the rule.
type Fault struct {
	Reading Reading
	Why     string
}

// Faults judges all readings; none is what is wished.
func (r *Result) Faults() []Fault {
	queries := map[string]Query{}
	for _, q := range r.Queries {
		queries[q.Name] = q
	}
	var all []Fault
	for _, reading := range r.Readings {
		e, _ := queries[reading.Query].exceptionFor(reading)
		if why := reading.judge(e, r.baseline[reading.View]); why != "" {
			all = append(all, Fault{reading, why})
		}
	}
	return all
}

// judge says what is wrong with a reading, or nothing. baseline is what its view costs by itself.
func (r Reading) judge(e exception, baseline int64) string {
	allowed := perRow*max(r.Returned, 1) + policies*baseline
	if e.rows > 0 {
		allowed = e.rows + policies*baseline
	}
	switch {
	case r.Sequential >= largeRows && r.Sequential > share*r.Returned && e.rows == 0:
		return fmt.Sprintf("reads %d rows of %s sequentially", r.Sequential, r.Large)
	case r.Read > allowed:
		return fmt.Sprintf("reads %d rows; %d are allowed for %d returned", r.Read, allowed, r.Returned)
	}
	return ""
}
