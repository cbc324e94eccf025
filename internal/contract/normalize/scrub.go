package normalize

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPlain reports whether no step can change s, for the text that is most
// common: printable ASCII, well spaced, without "<".
func (n Normalizer) isPlain(s string) bool {
	before := byte(' ') // so that a leading space counts as doubled
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c > '~' || c == '<':
			return false
		case c == ' ' && before == ' ':
			return false
		case n.lower && 'A' <= c && c <= 'Z':
			return false
		}
		before = c
	}
	return s == "" || before != ' '
}

// scrub removes what must not be stored, and collapses white space if n says so.
// Bytes that are not UTF-8 become U+FFFD.
func (n Normalizer) scrub(s string) string {
	if n.isScrubbed(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	afterSpace := false
	for _, r := range s {
		space := n.collapse && unicode.IsSpace(r)
		switch {
		case space && !afterSpace:
			b.WriteByte(' ')
		case space, isUnwanted(r):
			continue
		default:
			b.WriteRune(r)
		}
		afterSpace = space
	}
	return b.String()
}

// isScrubbed spares a name that is clean, as nearly all are, the copy.
func (n Normalizer) isScrubbed(s string) bool {
	afterSpace := false
	for _, r := range s {
		space := n.collapse && unicode.IsSpace(r)
		switch {
		case space && (r != ' ' || afterSpace):
			return false
		case r == utf8.RuneError, isUnwanted(r):
			return false
		}
		afterSpace = space
	}
	return true
}

// isUnwanted reports whether r is removed wherever it stands. Almost all text
// is decided by the first two cases.
func isUnwanted(r rune) bool {
	switch {
	case ' ' <= r && r <= '~', r == '\n', r == '\t':
		return false
	case unicode.IsControl(r):
		return true
	default:
		return isBidiControl(r) || isBreakHint(r)
	}
}

// isBidiControl reports whether r turns the direction of the text around it,
// which can make a name read as another one.
func isBidiControl(r rune) bool {
	switch {
	case r == '\u061c', r == '\u200e', r == '\u200f': // marks: ALM, LRM, RLM
		return true
	case '\u202a' <= r && r <= '\u202e': // embeddings and overrides
		return true
	default:
		return '\u2066' <= r && r <= '\u2069' // isolates
	}
}

// isBreakHint reports whether r is invisible and only says where a line may or
// may not break, or does break.
func isBreakHint(r rune) bool {
	switch r {
	case '\u00ad', // soft hyphen
		'\u200b',           // zero width space
		'\u2028', '\u2029', // line and paragraph separator
		'\u2060', // word joiner
		'\ufeff': // zero width no-break space, the byte order mark
		return true
	}
	return false
}
