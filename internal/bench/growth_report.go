package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"
)

// growth is all samples of a run.
type growth struct {
	options growthOptions
	stages  []*stage
	samples map[*stage][]grown
}

// mostGrowth is how many times the cost of the smallest a larger one may have and still be called flat.
const mostGrowth = 1.5

func (g *growth) of(a axis) []*stage {
	var found []*stage
	for _, s := range g.stages {
		if s.axis == a {
			found = append(found, s)
		}
	}
	return found
}

func (g *growth) p50(s *stage, work string) time.Duration {
	return middle(g.samples[s], func(x grown) time.Duration { return x.work[work].P50 })
}

// times is the cost of a work compared with that of the smallest stage.
func (g *growth) times(s *stage, work string) float64 {
	return float64(g.p50(s, work)) / float64(g.p50(g.of(s.axis)[0], work))
}

// markdown is the report: a table for each axis.
func (g *growth) markdown() string {
	var b strings.Builder
	o := g.options
	fmt.Fprintf(&b, "Medians of %d rounds of %v, %d connections; time to the answer, and how many times that of the first row. More than %.1f times is marked.\n",
		o.rounds, o.duration, o.clients, mostGrowth)
	g.table(&b, theRows, "students in one tenant", "", func(*stage) string { return "" })
	g.table(&b, theTenants, fmt.Sprintf("tenants of %d students", studentsOfTenant), " start of `serve` | `migrate up`, nothing to do | making one | a connection, MiB | service, MiB |", g.costs)
	return b.String()
}

func (g *growth) table(b *strings.Builder, a axis, head, more string, costs func(*stage) string) {
	fmt.Fprintf(b, "\n| %s | list | get | admit |%s\n|--:|--:|--:|--:|%s\n", head, more, strings.Repeat("--:|", strings.Count(more, "|")))
	for _, s := range g.of(a) {
		fmt.Fprintf(b, "| %s |", thousands(int64(s.size)))
		for _, work := range growing {
			mark := ""
			if g.times(s, work) > mostGrowth {
				mark = " **!**"
			}
			fmt.Fprintf(b, " %s ms, %.2f%s |", milliseconds(g.p50(s, work)), g.times(s, work), mark)
		}
		fmt.Fprintln(b, costs(s))
	}
}

func (g *growth) costs(s *stage) string {
	start := middle(g.samples[s], func(x grown) time.Duration { return x.start })
	migrate := middle(g.samples[s], func(x grown) time.Duration { return x.migrate })
	var backend, service int64
	for _, x := range g.samples[s] {
		backend, service = max(backend, x.backend), max(service, x.service)
	}
	return fmt.Sprintf(" %s ms | %s ms | %s ms | %.1f | %d |", milliseconds(start), milliseconds(migrate), milliseconds(s.built), float64(backend)/(1<<20), service>>20)
}

// Places on the plot.
const (
	panelWidth, panelHeight = 300, 180
	panelTop, panelLeft     = 60, 60
	highest                 = 3.0 // times; what is more is cut off
)

var lineColours = map[string]string{"list": "#3b6ea5", "get": "#8fb08c", "admit": "#c08a3e"}

// svg is a panel for each axis: the cost compared with the smallest, over the size, which is drawn by its logarithm.
func (g *growth) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", 2*(panelLeft+panelWidth)+40, panelTop+panelHeight+50)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	text(&b, 10, 20, "Time to the answer, compared with the smallest")
	for i, work := range growing {
		legend(&b, 330+90*i, lineColours[work], work)
	}
	g.panel(&b, panelLeft, theRows, "students in one tenant")
	g.panel(&b, 2*panelLeft+panelWidth+20, theTenants, "tenants")
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (g *growth) panel(b *bytes.Buffer, left int, a axis, title string) {
	stages := g.of(a)
	if len(stages) < 2 {
		return
	}
	y := func(times float64) float64 { return panelTop + panelHeight*(1-min(times, highest)/highest) }
	x := func(s *stage) float64 {
		first, last := float64(stages[0].size), float64(stages[len(stages)-1].size)
		return float64(left) + panelWidth*math.Log(float64(s.size)/first)/math.Log(last/first)
	}
	for _, times := range []float64{0, 1, mostGrowth, 2, 3} {
		colour := "#dddddd"
		if times == mostGrowth {
			colour = "#b03a2e"
		}
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s"/>`+"\n", left, y(times), left+panelWidth, y(times), colour)
		text(b, left-30, int(y(times)), fmt.Sprintf("%.1f", times))
	}
	for _, work := range growing {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, lineColours[work])
		for _, s := range stages {
			fmt.Fprintf(b, "%.1f,%.1f ", x(s), y(g.times(s, work)))
		}
		b.WriteString(`"/>` + "\n")
	}
	for _, s := range stages {
		text(b, int(x(s))-15, panelTop+panelHeight+14, thousands(int64(s.size)))
	}
	text(b, left+panelWidth/2-60, panelTop+panelHeight+36, title)
}
