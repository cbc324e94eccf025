package schema_test

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// candidatesFor are values about every limit of the property and of the column.
func candidatesFor(property *openapi3.Schema, col column) []any {
	switch {
	case property.Type.Is("integer"):
		return integersAbout(property, col)
	case property.Type.Is("string") && col.Type == "text":
		return textsAbout(property, col)
	case property.Type.Is("string") && col.Type == "numeric":
		return decimals
	case property.Type.Is("array") && col.Type == "text[]":
		return listsAbout(property, col)
	}
	return nil // types without limits of their own: uuid, date, boolean, jsonb (which has its own test)
}

var (
	number = regexp.MustCompile(`-?\d+`)
	quoted = regexp.MustCompile(`'([^']*)'`)
)

// decimals are numbers about every limit that marks and their like have; how one is spelt is the document's to say alone.
var decimals = []any{
	"-1", "-0.01", "0", "0.00", "0.001", "0.005", "0.01", "0.1", "0.10", "0.99", "1", "1.00", "33.33", "33.333", "66.67", "99.99", "99.994",
	"100", "100.00", "100.01", "101", "999", "1000", "9999", "9999.99", "9999.994", "9999.999", "10000", "99999.99",
}

func integersAbout(property *openapi3.Schema, col column) []any {
	var all []any
	about := func(n float64) { all = append(all, n-1, n, n+1) }
	if property.Min != nil {
		about(*property.Min)
	}
	if property.Max != nil {
		about(*property.Max)
	}
	for _, n := range number.FindAllString(strings.ReplaceAll(strings.Join(col.Checks, " "), "'", " "), -1) {
		var limit float64
		if _, err := fmt.Sscan(n, &limit); err == nil {
			about(limit)
		}
	}
	return all
}

func textsAbout(property *openapi3.Schema, col column) []any {
	lengths := map[int]bool{0: true, 1: true, 2: true}
	about := func(n int) {
		for _, n := range []int{n - 1, n, n + 1} {
			if n >= 0 && n < 2000 {
				lengths[n] = true
			}
		}
	}
	about(int(property.MinLength))
	if property.MaxLength != nil {
		about(int(*property.MaxLength))
	}
	for _, n := range number.FindAllString(property.Pattern+" "+strings.Join(col.Checks, " "), -1) {
		var limit int
		if _, err := fmt.Sscan(n, &limit); err == nil {
			about(limit)
		}
	}
	texts := []string{"no such", "A B", "x'y", "a_b", "{}", "Ω"}
	for _, enum := range property.Enum {
		texts = append(texts, enum.(string), strings.ToUpper(enum.(string)), enum.(string)+"x")
	}
	for _, m := range quoted.FindAllStringSubmatch(strings.Join(col.Checks, " "), -1) {
		texts = append(texts, m[1])
	}
	for n := range lengths {
		for _, fill := range []string{"A", "a", "7", "-", "+", "(", ".", "é", "漢", " ", "\t", "\n", "\v", "\u00a0", "٣"} {
			texts = append(texts, strings.Repeat(fill, n))
		}
	}
	if property.Format == "email" {
		texts = emailsOf(lengths)
	}
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// listsAbout are an empty list, and lists of one text about every limit of the items.
func listsAbout(property *openapi3.Schema, col column) []any {
	all := []any{[]any{}}
	for _, text := range textsAbout(property.Items.Value, col) {
		all = append(all, []any{text})
	}
	return all
}

// emailsOf are well-formed addresses of these lengths: whether one is well-formed is the document's to say alone.
func emailsOf(lengths map[int]bool) []string {
	var all []string
	for n := range lengths {
		if rest := n - len("a@.org"); rest > 0 {
			domain := strings.Repeat("bcdefghij.", rest/10+1)[:rest]
			all = append(all, "a@"+strings.TrimSuffix(domain, ".")+strings.Repeat("k", len(domain)-len(strings.TrimSuffix(domain, ".")))+".org")
		}
	}
	return all
}
