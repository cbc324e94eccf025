package plans

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Print writes a line for each query: its costliest reading.
func (r *Result) Print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "QUERY\tSEEN BY\tARGUMENTS\tREAD\tRETURNED\tBUFFERS\tMS\tINDEXES")
	for _, q := range r.Queries {
		if w, ok := r.most(func(reading Reading) bool { return reading.Query == q.Name }); ok {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%.2f\t%s\n", q.Name, w.View, w.arguments(), w.Read, w.Returned, w.Buffers, w.Millis, strings.Join(w.Indexes, " "))
		}
	}
	return table.Flush()
}

// most is the reading that read most of those chosen.
func (r *Result) most(chosen func(Reading) bool) (Reading, bool) {
	var own []Reading
	for _, reading := range r.Readings {
		if chosen(reading) {
			own = append(own, reading)
		}
	}
	if len(own) == 0 {
		return Reading{}, false
	}
	return slices.MaxFunc(own, func(a, b Reading) int {
		return cmp.Or(cmp.Compare(a.Read, b.Read), cmp.Compare(a.Buffers, b.Buffers))
	}), true
}

func (r Reading) arguments() string {
	text := cmp.Or(r.Arguments, "-")
	if r.Generic {
		text += " (generic plan)"
	}
	return text
}

// PrintFaults writes what breaks a rule, and reports whether anything does. A small tenant does not use every index.
func (r *Result) PrintFaults(out io.Writer, judgeIndexes bool) (found bool) {
	for _, f := range r.Faults() {
		found = true
		fmt.Fprintf(out, "%s, seen by %s, with %s: %s. Indexes used: %s.\n", f.Reading.Query, f.Reading.View, f.Reading.arguments(), f.Why,
			cmp.Or(strings.Join(f.Reading.Indexes, ", "), "none"))
	}
	for _, i := range r.Duplicates() {
		found = true
		fmt.Fprintf(out, "Index %s is superfluous: %s begins with the same columns.\n", i.Name, i.Covers)
	}
	if !judgeIndexes {
		return found
	}
	for _, i := range r.Unused() {
		found = true
		fmt.Fprintf(out, "Index %s is used by no query: drop it, or write the query that needs it.\n", i.Name)
	}
	return found
}
