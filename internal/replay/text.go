package replay

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteText writes a run for people: a line an operation, what differs below it, and a summary. document says which document
// was replayed; empty says nothing.
func (r *Result) WriteText(out io.Writer, document string) {
	fmt.Fprintf(out, "Replay of %s\n", r.BaseURL)
	if document != "" {
		fmt.Fprintln(out, document)
	}
	tag := ""
	for _, op := range r.Operations {
		if op.Tag != tag {
			tag = op.Tag
			fmt.Fprintf(out, "\n%s\n", tag)
		}
		op.writeText(out)
	}
	r.writeSummary(out)
}

func (o *Operation) writeText(out io.Writer) {
	mark := "✓"
	counts := map[Kind]int{}
	var took time.Duration
	for _, st := range o.Steps {
		counts[st.Kind]++
		took += st.Took
		if len(st.Failures) > 0 {
			mark = "✗"
		}
	}
	fmt.Fprintf(out, "  %s %-20s %-6s %-48s %2d good, %2d bad  %6d ms\n", mark, o.ID, o.Method, o.Path,
		counts[Example], counts[Negative]+counts[Probe], took.Milliseconds())
	for _, st := range o.Steps {
		st.writeText(out)
	}
}

// writeText writes what differs, the two values below each other.
func (s *Step) writeText(out io.Writer) {
	if len(s.Failures) == 0 {
		return
	}
	fmt.Fprintf(out, "      %s %s, which gets %d:\n", s.Kind, s.Name, s.Status)
	for _, d := range s.Failures {
		fmt.Fprintf(out, "        %s\n          - expected %s\n          + actual   %s\n", d.Where, d.Expected, d.Actual)
	}
}

func (r *Result) writeSummary(out io.Writer) {
	fmt.Fprintln(out, "\nCoverage of the document")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range []struct {
		name string
		Count
	}{{"operations", r.Coverage.Operations}, {"statuses, 5xx aside", r.Coverage.Statuses}, {"examples", r.Coverage.Examples}} {
		fmt.Fprintf(table, "  %s\t%d of %d\t%s\t\n", row.name, row.Covered, row.Total, row.percent())
	}
	_ = table.Flush()
	for _, missing := range r.Coverage.Missing {
		fmt.Fprintf(out, "  ✗ %s\n", missing)
	}
	if len(r.Left) > 0 {
		fmt.Fprintln(out, "\nLeft behind")
		for _, left := range r.Left {
			fmt.Fprintf(out, "  %s\n", left)
		}
	}
	verdict := "passed"
	if !r.Passed() {
		verdict = "FAILED"
	}
	fmt.Fprintf(out, "\n%s: %d operations, %d requests, %d failures in %s", verdict, len(r.Operations), r.Requests, r.Failures, r.Took.Round(time.Millisecond))
	if r.Waited > 0 {
		fmt.Fprintf(out, ", %s of it waiting for rate limits", r.Waited)
	}
	fmt.Fprintln(out)
}

func (c *Count) percent() string {
	if c.Total == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", 100*c.Covered/c.Total)
}
