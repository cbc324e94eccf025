// Package normalize gives x-normalize of openapi.yaml its meaning: the clean-up
// of a string before it is validated and stored.
//
// A schema lists what it wants of nfc, trim, collapse, strip-html and lower, in
// this order. [Parse] turns the list into a [Normalizer] once, at start, and
// [Normalizer.String] does the work. Whatever is listed, the steps run in one
// fixed order:
//
//  1. Scrub, which every list implies: control characters, bidi controls and
//     the invisible characters that only say where a line may break are
//     removed. Line feed and tab stay, and so do the joiners U+200C and U+200D,
//     which Indic and Persian names are spelt with.
//  2. collapse: a run of Unicode white space becomes one space. This happens
//     together with 1, so that a tab parts words and does not glue them.
//  3. nfc: Unicode normalization form C.
//  4. lower: lower case by the Unicode tables, in no particular language.
//  5. trim: white space goes at both ends.
//  6. strip-html: markup goes, and the text around it stays as it was typed.
//     No entity is decoded or made. Steps 1 to 6 are then repeated until
//     nothing changes, because what was apart may now be a tag, a composed
//     letter or a double space.
//
// Scrub, nfc and lower come before strip-html because each can make a tag of
// what is none: "<\x00b>", or "<" and the Kelvin sign in lower case.
//
// A result is final: to normalise it again changes nothing. So a stored value
// that a client sends back is equal to what is stored.
package normalize

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// steps are the names that a list may hold, in the order they must be listed.
var steps = []string{"nfc", "trim", "collapse", "strip-html", "lower"}

// Normalizer is a parsed list of steps. The zero value does nothing. It may be
// copied, compared, and used by many goroutines.
type Normalizer struct {
	nfc, trim, collapse, stripHTML, lower bool
}

// Parse reads the value of x-normalize. It refuses a name that is unknown,
// listed twice, or out of order: the list promises an order, so it must show
// the true one.
func Parse(names []string) (Normalizer, error) {
	last := -1
	for _, name := range names {
		i := slices.Index(steps, name)
		switch {
		case i < 0:
			return Normalizer{}, fmt.Errorf("x-normalize: unknown step %q, want some of %v", name, steps)
		case i == last:
			return Normalizer{}, fmt.Errorf("x-normalize: step %q is listed twice", name)
		case i < last:
			return Normalizer{}, fmt.Errorf("x-normalize: step %q is out of order, want %v", name, steps)
		}
		last = i
	}
	return Normalizer{
		nfc:       slices.Contains(names, "nfc"),
		trim:      slices.Contains(names, "trim"),
		collapse:  slices.Contains(names, "collapse"),
		stripHTML: slices.Contains(names, "strip-html"),
		lower:     slices.Contains(names, "lower"),
	}, nil
}

// maxPasses bounds how often strip-html starts again. Tags that hide in tags
// need a second pass; only text built to waste time needs more than a few.
const maxPasses = 4

// String returns s normalised.
func (n Normalizer) String(s string) string {
	if n == (Normalizer{}) || n.isPlain(s) {
		return s
	}
	s = n.text(s)
	if !n.stripHTML {
		return s
	}
	for range maxPasses {
		stripped := stripTags(s)
		if stripped == s {
			return s
		}
		s = n.text(stripped)
	}
	// No markup is left without a "<", so this is final as well.
	return n.text(strings.ReplaceAll(stripTags(s), "<", ""))
}

// text runs every step but strip-html. To run it twice changes nothing.
func (n Normalizer) text(s string) string {
	s = n.scrub(s)
	s = n.compose(s)
	if n.lower {
		// Some letters compose in lower case only: "H" and U+0331 do not, "h" does.
		s = n.compose(strings.ToLower(s))
	}
	if n.trim {
		s = strings.TrimSpace(s)
	}
	return s
}

// compose applies NFC. Behind 30 combining marks in a row the library puts a
// U+034F, which Unicode calls the stream-safe form; no name has so many.
func (n Normalizer) compose(s string) string {
	if !n.nfc {
		return s
	}
	return norm.NFC.String(s)
}
