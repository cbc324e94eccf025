package normalize

import (
	"strings"

	"golang.org/x/net/html"
)

// stripTags removes what a browser would take for markup, in one pass: tags,
// comments, doctypes, and the content of raw text elements. A tag, comment or
// raw text element that is never closed goes with everything behind it. What
// is text by the HTML standard ("a < b", "x<3", "< script>") stays.
func stripTags(s string) string {
	if !mayHaveMarkup(s) {
		return s
	}
	z := html.NewTokenizer(strings.NewReader(s))
	var b strings.Builder
	inRawText := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if !inRawText {
				b.Write(z.Raw())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			inRawText = isRawText(string(name))
		default:
			inRawText = false
		}
	}
}

// mayHaveMarkup reports whether s has a "<" with a character behind it that
// starts a tag, a comment or a doctype.
func mayHaveMarkup(s string) bool {
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 || i+1 == len(s) {
			return false
		}
		if c := s[i+1] | 0x20; 'a' <= c && c <= 'z' || strings.IndexByte("/!?", s[i+1]) >= 0 {
			return true
		}
		s = s[i+1:]
	}
}

// isRawText reports whether the text behind a start tag with this name is code
// or source, and not meant to be read. These are the names behind which the
// tokenizer looks for nothing but the end tag.
func isRawText(name string) bool {
	switch name {
	case "iframe", "noembed", "noframes", "noscript", "plaintext",
		"script", "style", "textarea", "title", "xmp":
		return true
	}
	return false
}
