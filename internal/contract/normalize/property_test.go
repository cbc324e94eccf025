package normalize_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-erp/rollcall/internal/contract/normalize"
)

// lastCased is behind the last character that has case, composes, or is space.
const lastCased = 0x1ffff

// Every character is tried in the places where it could matter: behind "<", in
// a tag, between a letter and an accent, and at both ends.
func TestEveryCharacterKeepsThePromises(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{allSteps, {"strip-html", "lower"}} {
		n := parse(t, names...)
		for r := range rune(lastCased) {
			c := string(r)
			s := c + "<" + c + ">e" + c + "\u0301 " + c
			if out := n.String(s); n.String(out) != out || hasForbidden(out) {
				t.Fatalf("%v of U+%04X: %+q, then %+q", names, r, out, n.String(out))
			}
		}
	}
}

func TestEveryListIsIdempotentOnHostileText(t *testing.T) {
	t.Parallel()
	for mask := range 1 << len(allSteps) {
		n := parse(t, subset(mask)...)
		for name, in := range hostile(512) {
			assertFinal(t, n, n.String(in), name)
		}
	}
}

// FuzzString picks the steps by the bits of mask.
func FuzzString(f *testing.F) {
	for _, seed := range []string{
		"Asha", "D'Souza & Sons", "Jose\u0301", "क्\u200dषितिज", "   ", " a \t\u2028 b ", "<b> a </b>", "<<b>script>x",
		"<scr<script>ipt>alert(1)</scr</script>ipt>", "a<!--", "</", "</ ", "<![CDATA[", "<\u0338b", "<b>\u0338a", "\u226eb>",
		"<\u212a>", "<\x00b>", "\u202e\u200f\ufeff", "İ", "H\u0331", "\xff<\xffb>", "a\u0315\u0301\u0328<i>\u0327",
		"\u0958\ufb2c", "<plaintext>x", "<textarea><!--</textarea>-->", "&lt;b&gt;",
		strings.Repeat("<", 9) + strings.Repeat("b>", 9), "e" + strings.Repeat("\u0301", 40) + "<b>\u0315",
	} {
		f.Add(seed, uint8(31))
		f.Add(seed, uint8(8))
		f.Add(seed, uint8(21))
	}
	f.Fuzz(func(t *testing.T, s string, mask uint8) {
		names := subset(int(mask) % (1 << len(allSteps)))
		if len(names) == 0 {
			t.Skip("an empty list promises nothing")
		}
		checkPromises(t, names, s, parse(t, names...).String(s))
	})
}

func checkPromises(t *testing.T, names []string, in, out string) {
	t.Helper()
	assertFinal(t, parse(t, names...), out)
	assert.True(t, utf8.ValidString(out), "valid UTF-8")
	assert.False(t, hasForbidden(out), "forbidden characters in %+q", out)
	assert.LessOrEqual(t, utf8.RuneCountInString(out), longest(in))
	for _, name := range names {
		checkStep(t, name, out)
	}
}

func checkStep(t *testing.T, name, out string) {
	t.Helper()
	switch name {
	case "nfc":
		assert.True(t, norm.NFC.IsNormalString(out), "%+q is not NFC", out)
	case "trim":
		assert.Equal(t, strings.TrimSpace(out), out)
	case "collapse":
		assert.NotContains(t, out, "  ")
		assert.False(t, strings.ContainsFunc(out, func(r rune) bool { return r != ' ' && unicode.IsSpace(r) }))
	case "strip-html":
		assertNoMarkup(t, out)
	case "lower":
		assert.Equal(t, strings.ToLower(out), out)
	}
}

func assertFinal(t *testing.T, n normalize.Normalizer, out string, msg ...any) {
	t.Helper()
	assert.Equal(t, out, n.String(out), msg...)
}

// assertNoMarkup holds s to being one piece of text to a browser.
func assertNoMarkup(t *testing.T, s string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(s))
	var text strings.Builder
	for z.Next() == html.TextToken {
		text.Write(z.Raw())
	}
	assert.Equal(t, html.ErrorToken, z.Token().Type, "markup in %q", s)
	assert.Equal(t, s, text.String(), "all of it is text")
}

func hasForbidden(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' ||
			unicode.Is(unicode.Bidi_Control, r) || strings.ContainsRune("\u00ad\u200b\u2028\u2029\u2060\ufeff", r)
	})
}

// longest is how many runes NFC can make of s: those of its decomposition, and
// one more for every 30 marks in a row.
func longest(s string) int {
	n := utf8.RuneCountInString(norm.NFD.String(s))
	return n + n/30
}
