package main

import (
	"bytes"
	"fmt"
)

// Places on the plot, in its own units.
const (
	plotWidth  = 720
	labelWidth = 330
	barHeight  = 16
	rowHeight  = 54
	headHeight = 50
	unitWidth  = 280 // the length of a bar of 1.0
	mostTimes  = 1.3 // longer bars are cut off
)

// svg is a bar for each ratio, with its goal as a line across it. It is written by hand: bars need no library.
func (r *result) svg() []byte {
	var b bytes.Buffer
	height := headHeight + rowHeight*len(works) + 10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", plotWidth, height)
	text(&b, 10, 20, "Requests a second, the service's as a share of")
	legend(&b, labelWidth, "#3b6ea5", "the floor's")
	legend(&b, labelWidth+120, "#8fb08c", "pgbench's")
	fmt.Fprintf(&b, `<line x1="%d" y1="12" x2="%d" y2="26" stroke="#b03a2e" stroke-width="2"/>`+"\n", labelWidth+232, labelWidth+232)
	text(&b, labelWidth+240, 20, "goal")
	for i, w := range works {
		y := headHeight + i*rowHeight
		text(&b, 10, y+barHeight, w.title)
		bar(&b, y, "#3b6ea5", r.ratio(w.name, theFloor), w.floor)
		bar(&b, y+barHeight+3, "#8fb08c", r.ratio(w.name, thePgbench), w.pgbench)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func text(b *bytes.Buffer, x, y int, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" dominant-baseline="middle">%s</text>`+"\n", x, y, s)
}

func legend(b *bytes.Buffer, x int, colour, s string) {
	fmt.Fprintf(b, `<rect x="%d" y="13" width="12" height="12" fill="%s"/>`+"\n", x, colour)
	text(b, x+18, 20, s)
}

func bar(b *bytes.Buffer, y int, colour string, ratio, goal float64) {
	if ratio == 0 {
		return
	}
	length := min(ratio, mostTimes) * unitWidth
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, y, length, barHeight, colour)
	text(b, labelWidth+int(length)+8, y+barHeight/2, times(ratio))
	if goal > 0 {
		x := labelWidth + goal*unitWidth
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#b03a2e" stroke-width="2"/>`+"\n", x, y-2, x, y+barHeight+2)
	}
}
