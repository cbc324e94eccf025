package violation

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/contract/normalize"
)

// trial is a value about one keyword of a schema: it breaks broken, that keyword among them, or keeps all when nil.
type trial struct {
	keyword string
	value   any
	broken  []string
}

// valuesOf are the values about the keywords of a scalar, those that break them and those that just keep them.
func valuesOf(schema *openapi3.Schema, s samples) []trial {
	var all []trial
	add := func(keyword string, values ...any) {
		if best, found := bestOf(schema, keyword, values); found {
			all = append(all, best)
		}
	}
	keep := func(keyword string, values ...any) {
		for _, value := range values {
			if len(brokenBy(schema, value)) == 0 {
				all = append(all, trial{keyword, value, nil})
			}
		}
	}
	switch {
	case schema.Type.Is(openapi3.TypeString):
		textValues(schema, s, add, keep)
	case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeNumber):
		numberValues(schema, add, keep)
	}
	return all
}

// bestOf is the value that breaks a keyword and the fewest others.
func bestOf(schema *openapi3.Schema, keyword string, values []any) (best trial, found bool) {
	for _, value := range values {
		broken := brokenBy(schema, value)
		if slices.Contains(broken, keyword) && (!found || len(broken) < len(best.broken)) {
			best, found = trial{keyword, value, broken}, true
		}
	}
	return best, found
}

// textValues offers values for each keyword.
func textValues(schema *openapi3.Schema, s samples, add, keep func(string, ...any)) {
	text := textOf(schema, s)
	if len(schema.Enum) > 0 {
		add("enum", "no-such-value")
		keep("enum", schema.Enum...)
	}
	if schema.MinLength > 0 {
		short := int(schema.MinLength) - 1
		add("minLength", text.ofLength(short), strings.Repeat(" ", short), strings.Repeat("a", short))
		keep("minLength", text.ofLength(int(schema.MinLength)))
	}
	if schema.MaxLength != nil {
		long := int(*schema.MaxLength) + 1
		add("maxLength", text.ofLength(long), strings.Repeat("1", long))
		keep("maxLength", text.ofLength(long-1))
	}
	if schema.Pattern != "" {
		add("pattern", text.spoiled()...)
		keep("pattern", text.example)
	}
	if schema.Format != "" {
		add("format", "no such "+schema.Format, "x")
		if schema.Format == "date" {
			add("format", "2023-02-30")
		}
	}
	if schema.Extensions["x-not-future"] == true {
		add("future", "2999-12-31")
	}
}

func numberValues(schema *openapi3.Schema, add, keep func(string, ...any)) {
	if schema.Min != nil {
		add("minimum", *schema.Min-1)
		keep("minimum", *schema.Min)
	}
	if schema.Max != nil {
		add("maximum", *schema.Max+1)
		keep("maximum", *schema.Max)
	}
	if schema.Format == "int32" && (schema.Max == nil || *schema.Max > math.MaxInt32) { // else the maximum says it
		add("format", float64(math.MaxInt32)+1)
	}
}

// brokenBy are the keywords of a scalar's schema that a value breaks once it is normalised, as JSON Schema has them.
func brokenBy(schema *openapi3.Schema, value any) []string {
	var broken []string
	note := func(keyword string, breaks bool) {
		if breaks {
			broken = append(broken, keyword)
		}
	}
	switch v := value.(type) {
	case string:
		v = normalised(schema, v)
		note("enum", len(schema.Enum) > 0 && !slices.Contains(schema.Enum, any(v)))
		note("minLength", uint64(utf8.RuneCountInString(v)) < schema.MinLength)
		note("maxLength", schema.MaxLength != nil && uint64(utf8.RuneCountInString(v)) > *schema.MaxLength)
		note("pattern", schema.Pattern != "" && !regexp.MustCompile(schema.Pattern).MatchString(v))
		note("format", !hasFormat(schema.Format, v))
		note("future", schema.Extensions["x-not-future"] == true && isFuture(v))
	case float64:
		note("minimum", schema.Min != nil && v < *schema.Min)
		note("maximum", schema.Max != nil && v > *schema.Max)
		note("format", schema.Format == "int32" && v > math.MaxInt32)
	}
	return broken
}

func isFuture(date string) bool {
	day, err := time.Parse(time.DateOnly, date)
	return err == nil && day.After(time.Now().AddDate(0, 0, 1))
}

// hasFormat tells what the values of this package need told; the formats themselves have tests of their own.
func hasFormat(format, value string) bool {
	switch format {
	case "date":
		_, err := time.Parse(time.DateOnly, value)
		return err == nil
	case "date-time":
		_, err := time.Parse(time.RFC3339, value)
		return err == nil
	case "email":
		local, domain, _ := strings.Cut(value, "@")
		return len(local) > 0 && len(local) <= 64 && len(domain) <= 253 && strings.Contains(domain, ".")
	case "uuid":
		return len(value) == 36
	case "time-zone":
		_, err := time.LoadLocation(value)
		return value != "" && err == nil
	}
	return true
}

func normalised(schema *openapi3.Schema, value string) string {
	var steps []string
	if contract.Convert(schema.Extensions["x-normalize"], &steps) != nil {
		return value
	}
	n, err := normalize.Parse(steps)
	if err != nil {
		return value
	}
	return n.String(value)
}

// text makes texts that a schema takes, of a length.
type text struct {
	schema  *openapi3.Schema
	example string
}

func textOf(schema *openapi3.Schema, s samples) text {
	example, _ := s.value(schema).(string)
	return text{schema, example}
}

// ofLength is a text of this length; one that the schema takes but for the length, if there is one.
func (t text) ofLength(n int) string {
	if t.schema.Format == "email" {
		return emailOfLength(n)
	}
	if t.schema.Pattern == "" {
		return plainText(n)
	}
	grown := t.example
	for utf8.RuneCountInString(grown) < n {
		next := t.grow(grown)
		if next == "" {
			return strings.Repeat(grown[len(grown)-1:], n) // its pattern is broken as well
		}
		grown = next
	}
	for utf8.RuneCountInString(grown) > n {
		next := t.shrink(grown)
		if next == "" {
			return grown[:n]
		}
		grown = next
	}
	return grown
}

// plainText has no run that a rule about passwords, or the normaliser, takes offence at.
func plainText(n int) string {
	const words = "quiet river under seven maple trees beside the old stone mill "
	return strings.ReplaceAll(strings.Repeat(words, n/len(words)+1)[:max(0, n-1)], " ", "_") + strings.Repeat("x", min(n, 1))
}

// grow repeats one character where the pattern allows it.
func (t text) grow(s string) string {
	pattern := regexp.MustCompile(t.schema.Pattern)
	for i := range s {
		if longer := s[:i] + s[i:i+1] + s[i:]; s[i] < utf8.RuneSelf && s[i] != ' ' && pattern.MatchString(longer) {
			return longer
		}
	}
	return ""
}

func (t text) shrink(s string) string {
	pattern := regexp.MustCompile(t.schema.Pattern)
	for i := range s {
		if shorter := s[:i] + s[i+1:]; pattern.MatchString(shorter) {
			return shorter
		}
	}
	return ""
}

// spoiled are texts with one character that the pattern may not take.
func (t text) spoiled() []any {
	var all []any
	for _, c := range []string{"!", "x", "X", "é", "~", "/", "0", "-", ";"} {
		all = append(all, t.example[:len(t.example)-1]+c, c+t.example[1:])
	}
	return append(all, "", "!")
}

// emailOfLength keeps within what RFC 5321 allows of each part: 64 before the @, 63 a label.
func emailOfLength(n int) string {
	local := strings.Repeat("a", max(1, min(64, n-6)))
	domain := "ab.org"
	for len(local)+1+len(domain) < n {
		label := min(60, n-len(local)-1-len(domain)-1)
		if label < 1 {
			domain = "a" + domain
			continue
		}
		domain = strings.Repeat("b", label) + "." + domain
	}
	return local + "@" + domain
}

// matching is a text that a schema with a pattern takes; always the same.
func matching(schema *openapi3.Schema) string {
	generator := rapid.StringMatching(schema.Pattern)
	for seed := range 200 {
		if s := generator.Example(seed); s != "" && len(brokenBy(schema, s)) == 0 && s == strings.TrimSpace(s) {
			return s
		}
	}
	return generator.Example(0)
}
