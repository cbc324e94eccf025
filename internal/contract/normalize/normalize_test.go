package normalize_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-erp/rollcall/internal/contract/normalize"
)

var allSteps = []string{"nfc", "trim", "collapse", "strip-html", "lower"}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		names []string
		want  string
	}{
		"an unknown step":         {[]string{"nfc", "upper"}, `unknown step "upper"`},
		"another spelling":        {[]string{"NFC"}, `unknown step "NFC"`},
		"a step listed twice":     {[]string{"trim", "trim"}, `"trim" is listed twice`},
		"a step out of order":     {[]string{"trim", "nfc"}, `"nfc" is out of order`},
		"a repeat further behind": {[]string{"nfc", "trim", "nfc"}, `"nfc" is out of order`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := normalize.Parse(tt.names)
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, normalize.Normalizer{}, n)
		})
	}
}

func TestParseTakesEverySubsetInOrder(t *testing.T) {
	t.Parallel()
	for mask := range 1 << len(allSteps) {
		names := subset(mask)
		_, err := normalize.Parse(names)
		assert.NoError(t, err, "%v", names)
	}
}

func TestTheZeroValueDoesNothing(t *testing.T) {
	t.Parallel()
	const s = " <b>A\x00\u202e e\u0301 "
	assert.Equal(t, s, normalize.Normalizer{}.String(s))
	assert.Equal(t, s, parse(t).String(s))
}

func TestNamesSurvive(t *testing.T) {
	t.Parallel()
	n := parse(t, "nfc", "trim", "collapse", "strip-html")
	for _, name := range []string{
		"O'Brien", "D'Souza & Sons", "AT&amp;T", "José", "李雷", "ஆஷா", "क्षितिज", "क्\u200dषितिज", "می\u200cخواهم",
		"ന\u0d4d\u200d", "Αλέξανδρος", "ＡＳＨＡ", "＜b＞", "Łukasz-Żółć", "a < b", "x<3", "5 > 3", "<", "< script>", "I <3 you",
		"&lt;script&gt;", "&#60;b&#62;", "12, MG Road (rear)", "50% \"off\"", "👨\u200d👩\u200d👧", "",
	} {
		want := norm.NFC.String(name)
		assert.Equal(t, want, n.String(name), "%+q", name)
	}
	assert.Equal(t, "Jos\u00e9", n.String("Jose\u0301"))
}

func TestEachStep(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ steps, in, want string }{
		"nfc composes":                               {"nfc", "Jose\u0301", "Jos\u00e9"},
		"nfc alone keeps white space":                {"nfc", "  a\t\n b ", "  a\t\n b "},
		"nfc composes over what was removed":         {"nfc", "e\u200e\u0301", "\u00e9"},
		"without nfc nothing is composed":            {"trim", "Jose\u0301", "Jose\u0301"},
		"trim takes Unicode white space":             {"trim", "\u00a0\u3000\tAsha \u2003\n", "Asha"},
		"trim takes a space in front":                {"trim", " a", "a"},
		"trim takes a space at the end":              {"trim", "a ", "a"},
		"trim leaves white space inside":             {"trim", " a  b\n\nc ", "a  b\n\nc"},
		"trim sees through what is removed":          {"trim", "\ufeff Asha \u200b", "Asha"},
		"trim makes blank text empty":                {"trim", "   ", ""},
		"trim keeps a joiner at the end":             {"trim", "ന\u0d4d\u200d", "ന\u0d4d\u200d"},
		"collapse makes one space of a run":          {"collapse", "a \t\r\n\u00a0 b", "a b"},
		"collapse makes one space of two":            {"collapse", "a  b", "a b"},
		"collapse makes a space of one tab":          {"collapse", "a\tb", "a b"},
		"collapse takes a line separator as space":   {"collapse", "a\u2028b\u0085c", "a b c"},
		"collapse alone keeps a space at the end":    {"collapse", "a  ", "a "},
		"collapse sees through what is removed":      {"collapse", "a \u200b b", "a b"},
		"lower knows more than ASCII":                {"lower", "ÅSHA@Example.ORG", "åsha@example.org"},
		"lower is in no language":                    {"lower", "İI", "ii"},
		"lower then composes":                        {"nfc,lower", "H\u0331", "\u1e96"},
		"every step removes control characters":      {"trim", "A\x00s\x1bh\x7fa\u009b", "Asha"},
		"every step removes bidi controls":           {"lower", "a\u202eb\u2066c\u200ed\u061ce", "abcde"},
		"every step removes break hints":             {"trim", "a\u00adb\u200bc\u2060d\ufeffe\u2028f", "abcdef"},
		"carriage returns go, line feeds stay":       {"trim", "a\r\nb", "a\nb"},
		"bytes that are not UTF-8 are replaced":      {"trim", "a\xffb", "a\ufffdb"},
		"strip-html trims only if asked":             {"strip-html", "<b> a </b>", " a "},
		"trim holds after strip-html":                {"trim,strip-html", "<b> Asha </b>", "Asha"},
		"collapse holds after strip-html":            {"collapse,strip-html", "a <b> c", "a c"},
		"nfc holds after strip-html":                 {"nfc,strip-html", "Jose<b></b>\u0301", "Jos\u00e9"},
		"all together, on an e-mail":                 {"nfc,trim,collapse,strip-html,lower", " <B>Asha@Example.ORG</B>\n", "asha@example.org"},
		"nfc may eat the end of a tag: all of it is": {"nfc,strip-html", "<b>\u0338a", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, strings.Split(tt.steps, ",")...)
			assert.Equal(t, tt.want, n.String(tt.in))
		})
	}
}

func TestPlainTextIsReturnedWithoutAllocation(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	n := parse(t, "nfc", "trim", "collapse", "strip-html")
	for _, s := range []string{"Asha D'Souza & Sons", "", "李雷", "José"} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { n.String(s) }), "%q", s)
	}
}

func TestNormalizersCanBeCompared(t *testing.T) {
	t.Parallel()
	one, another := parse(t, "nfc", "trim"), parse(t, "nfc", "trim")
	assert.Equal(t, one, another)
	assert.NotEqual(t, parse(t, "nfc"), parse(t, "trim"))
}

func parse(t testing.TB, names ...string) normalize.Normalizer {
	t.Helper()
	n, err := normalize.Parse(names)
	require.NoError(t, err)
	return n
}

// subset picks the steps whose bit is set in mask.
func subset(mask int) []string {
	return slices.DeleteFunc(slices.Clone(allSteps), func(name string) bool {
		return mask&(1<<slices.Index(allSteps, name)) == 0
	})
}
