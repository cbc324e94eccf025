package plans

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// set is one list of arguments for a query.
type set struct {
	label    string   // which optional filters are set, for people
	literals []string // by number from 1 at index 0
	filters  []string // parameters of optional filters that are set
	skipped  int64    // rows that the caller asked to skip
}

const null = "NULL"

var optionalParameter = regexp.MustCompile(`\$(\d+)(?:::\w+(?:\[\])?)? is null\s+or\b`)

// sets are the argument lists that a query is tried with. Optional filters: none, each alone with each of its values, and each
// two together; the cursor counts as a filter. Other parameters with several values: each of them, without filters.
func sets(q Query, known literals) []set {
	groups := filters(q)
	all := []set{q.set(known, nil, nil)}
	for i, group := range groups {
		for v := range known[q.params[group[0]]] {
			all = append(all, q.set(known, [][]int{group}, map[int]int{group[0]: v}))
		}
		for _, other := range groups[i+1:] {
			all = append(all, q.set(known, [][]int{group, other}, nil))
		}
	}
	for i, parameter := range q.params {
		for v := 1; !isOptional(groups, i) && v < len(known[parameter]); v++ {
			all = append(all, q.otherValue(known, groups, i, v)...)
		}
	}
	return all
}

// otherValue tries a parameter that is no filter with its v-th value; a page number with each filter too.
func (q Query) otherValue(known literals, groups [][]int, i, v int) []set {
	choice := map[int]int{i: v}
	all := []set{q.set(known, nil, choice)}
	for _, group := range groups {
		if q.params[i] == "row_offset" && !isCursor(q, group) {
			all = append(all, q.set(known, [][]int{group}, choice))
		}
	}
	return all
}

// filters are the optional filters of a query: the indexes of their parameters. The values of a cursor are one filter.
func filters(q Query) [][]int {
	var groups [][]int
	seen := map[int]bool{}
	for _, m := range optionalParameter.FindAllStringSubmatch(q.Text, -1) {
		n, _ := strconv.Atoi(m[1])
		if i := n - 1; !seen[i] {
			seen[i] = true
			group := []int{i}
			if isCursor(q, group) {
				group = append(group, cursorValues(q, i)...)
			}
			groups = append(groups, group)
		}
	}
	return groups
}

func isCursor(q Query, group []int) bool { return strings.HasPrefix(q.params[group[0]], "after_") }

func cursorValues(q Query, id int) (all []int) {
	for i, parameter := range q.params {
		if i != id && strings.HasPrefix(parameter, "after_") {
			all = append(all, i)
		}
	}
	return all
}

func isOptional(groups [][]int, i int) bool {
	return slices.ContainsFunc(groups, func(g []int) bool { return slices.Contains(g, i) })
}

// set is the arguments with these filters set; choice names other values than the first.
func (q Query) set(known literals, with [][]int, choice map[int]int) set {
	groups := filters(q)
	s := set{literals: make([]string, len(q.params))}
	var labels []string
	for _, group := range with {
		label := q.params[group[0]]
		s.filters = append(s.filters, label)
		if isCursor(q, group) {
			label = "cursor"
		}
		if v := choice[group[0]]; v > 0 {
			label += fmt.Sprintf(" (value %d)", v+1)
		}
		labels = append(labels, label)
	}
	for i, parameter := range q.params {
		if isOptional(groups, i) && !isOptional(with, i) {
			s.literals[i] = null
			continue
		}
		s.literals[i] = known[parameter][choice[i]]
		if parameter == "row_offset" {
			s.skipped, _ = strconv.ParseInt(strings.Trim(s.literals[i], "'"), 10, 64)
		}
		if !isOptional(groups, i) && choice[i] > 0 {
			labels = append(labels, parameter+" "+s.literals[i])
		}
	}
	s.label = strings.Join(labels, ", ")
	return s
}
