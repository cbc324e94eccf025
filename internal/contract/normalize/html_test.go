package normalize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestStripHTML(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"an element goes, its text stays":        {`<b>Asha</b>`, `Asha`},
		"a script goes with its content":         {`<script>alert(1)</script>Asha`, `Asha`},
		"so does one in upper case":              {`<SCRIPT SRC=x>alert(1)</SCRIPT >Asha`, `Asha`},
		"so does one that closes itself":         {`<script/>alert(1)</script>Asha`, `Asha`},
		"plaintext never ends":                   {`a<plaintext>x</plaintext>b`, `a`},
		"a template is an element like others":   {`a<template>x</template>b`, `axb`},
		"an empty script eats nothing behind":    {`<script></script>Asha`, `Asha`},
		"an open script goes to the end":         {`Asha<script>alert(1)`, `Asha`},
		"an open tag goes to the end":            {`Asha<img src=x onerror=alert(1)//`, `Asha`},
		"an open quote goes to the end":          {`Asha<a title="x>y`, `Asha`},
		"an image goes with its handler":         {`<img src=x onerror=alert(1)>Asha`, `Asha`},
		"a quoted > does not end a tag":          {`<a title=">">Asha</a>`, `Asha`},
		"a comment goes":                         {`a<!--x-->b`, `ab`},
		"an open comment goes to the end":        {`a<!--x`, `a`},
		"a doctype goes":                         {`<!DOCTYPE html>a`, `a`},
		"a CDATA section is a comment to HTML":   {`a<![CDATA[<b>]]>c`, `a]]>c`},
		"an open CDATA section goes to the end":  {`a<![CDATA[`, `a`},
		"a processing instruction goes":          {`a<?php x ?>b`, `ab`},
		"an end tag alone goes":                  {`a</p>b`, `ab`},
		"an empty end tag goes":                  {`a</>b`, `ab`},
		"a wrong end tag is a comment":           {`a</ b>c`, `ac`},
		"an end tag that has not begun is text":  {`a</`, `a</`},
		"a tag in a tag goes":                    {`<<b>i>Asha<<b>/i>`, `Asha`},
		"a script in a tag goes, now left open":  {`<<b>script>alert(1)</script>x`, ``},
		"a script in a script tag is disarmed":   {`<scr<script>ipt>alert(1)</scr</script>ipt>`, `ipt>alert(1)ipt>`},
		"a tag split by a control character":     {"<scr\x00ipt>alert(1)</scr\x00ipt>a", `a`},
		"a tag split by a zero width space":      {"<\u200bb>a", `a`},
		"a comment that hides a tag":             {`<<!-- -->b>a`, `a`},
		"an entity is not decoded":               {`&lt;script&gt;&#x3c;b&#x3e;`, `&lt;script&gt;&#x3c;b&#x3e;`},
		"nothing is encoded":                     {`<i>Tom & "Jerry" > 'x'</i>`, `Tom & "Jerry" > 'x'`},
		"full-width look-alikes are text":        {`＜script＞`, `＜script＞`},
		"a space behind < makes it text":         {`< script>alert(1)</ script>`, `< script>alert(1)`},
		"a digit behind < makes it text":         {`1<2 and x<3`, `1<2 and x<3`},
		"a letter behind < is a tag, left open":  {`if a<b then`, `if a`},
		"the markup of SVG is markup":            {`<svg/onload=alert(1)><script>x</script>a</svg>`, `a`},
		"a made-up element is markup too":        {`<x-y z>a</x-y>`, `a`},
		"more nesting than passes loses every <": {strings.Repeat("<", 99) + strings.Repeat("b>", 99), strings.Repeat("b>", 94)},
	}
	n := parse(t, "nfc", "strip-html")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, n.String(tt.in))
			assertFinal(t, n, tt.want)
		})
	}
}

func TestRawTextElementsGoWithTheirContent(t *testing.T) {
	t.Parallel()
	n := parse(t, "strip-html")
	for _, name := range []string{
		"iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp",
	} {
		assert.Equal(t, "ac", n.String("a<"+name+"><i>b</"+name+">c"), name)
	}
}

// A lower-case Kelvin sign is an ASCII k, and starts a tag.
func TestLowerCannotMakeATag(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "a", parse(t, "strip-html", "lower").String("<\u212a>a"))
	assert.Equal(t, "a", parse(t, "nfc", "strip-html").String("<\u212a>a"))
}

// Four times the text takes about four times as long, and would take sixteen times as long where the work grows with the
// square. Sizes are compared and not held against the clock, which runs slower on a busy machine.
func TestHostileTextIsStrippedInTime(t *testing.T) {
	t.Parallel()
	const small, large = 16 << 10, 64 << 10
	n := parse(t, allSteps...)
	texts := hostile(large)
	for name, short := range hostile(small) {
		assertNoMarkup(t, n.String(texts[name]))
		growth := growthOf(func() { n.String(short) }, func() { n.String(texts[name]) })
		t.Logf("%-18s %7d bytes take %.1f times as long as a quarter of them", name, len(texts[name]), growth)
		assert.Less(t, growth, 9.0, name)
	}
}

// growthOf is how many times as long the second takes, by the shortest times of alternating runs: what is longer is the
// machine. It takes more of them while the answer is high.
func growthOf(first, second func()) float64 {
	shortest := [2]time.Duration{time.Hour, time.Hour}
	growth := func() float64 { return shortest[1].Seconds() / shortest[0].Seconds() }
	for runs := 0; runs < 3 || growth() > 6 && runs < 60; runs++ {
		for i, run := range []func(){first, second} {
			start := time.Now()
			run()
			shortest[i] = min(shortest[i], time.Since(start))
		}
	}
	return growth()
}

// hostile returns texts of about size bytes that are built to waste time.
func hostile(size int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	half := func(a, b string) string {
		return strings.Repeat(a, size/2/len(a)) + strings.Repeat(b, size/2/len(b))
	}
	return map[string]string{
		"nested tags":       half("<", "b>"),
		"nested comments":   half("<", "!-->"),
		"nested scripts":    fill("<scr<script></script>ipt>"),
		"open comments":     fill("<!--"),
		"open declarations": fill("<!d"),
		"open brackets":     fill("<![CDATA["),
		"open tags":         fill("<a "),
		"tags":              fill("<a>"),
		"end tags":          fill("</a"),
		"many attributes":   "<a " + fill("b c=d ") + ">",
		"open script":       "<script>" + fill("</script"),
		"escaped script":    "<script><!--" + fill("<script></"),
		"combining marks":   fill("\u0315\u0301"),
		"marks and tags":    fill("\u0315<b>\u0301"),
		"Hangul":            fill("\u1100\u1161\u11a8"),
		"controls":          fill("\x01 "),
		"text signs":        fill("< "),
	}
}
