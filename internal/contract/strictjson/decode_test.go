package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

func TestDecodeReturnsPlainGoValues(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want any
	}{
		"a literal may stand alone":            {`true`, true},
		"null is nil":                          {`null`, nil},
		"an empty string is a value":           {`""`, ""},
		"white space may surround the value":   {" \r\n\t{ } \n", map[string]any{}},
		"an empty array is not nil":            {`[]`, []any{}},
		"members keep their order of types":    {`{"a":[1,"x",false,null]}`, map[string]any{"a": []any{json.Number("1"), "x", false, nil}}},
		"escapes are decoded":                  {`"\u0041\n\ud83d\ude00"`, "A\n😀"},
		"a number keeps its digits":            {`0.10`, json.Number("0.10")},
		"an id beyond 2^53 is not rounded":     {`9007199254740993`, json.Number("9007199254740993")},
		"a huge exponent stays text":           {`1e999999999`, json.Number("1e999999999")},
		"names that differ in case are two":    {`{"role":1,"ROLE":2}`, map[string]any{"role": json.Number("1"), "ROLE": json.Number("2")}},
		"equal names in two objects are fine":  {`[{"a":1},{"a":2}]`, []any{map[string]any{"a": json.Number("1")}, map[string]any{"a": json.Number("2")}}},
		"other control characters may be sent": {`"\u0001"`, "\x01"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := strictjson.Decode([]byte(tt.in))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, code, pointer string }{
		"nothing":                               {"", strictjson.CodeEmpty, ""},
		"white space alone":                     {" \n", strictjson.CodeEmpty, ""},
		"a truncated object":                    {`{"a":`, strictjson.CodeMalformed, "/a"},
		"a trailing comma":                      {`{"a":[1,]}`, strictjson.CodeMalformed, "/a"},
		"a comment":                             {`{} // x`, strictjson.CodeTrailingData, ""},
		"a misspelt literal":                    {`{"a":{"b":[1,tru]}}`, strictjson.CodeMalformed, "/a/b/1"},
		"single quotes":                         {`{'a':1}`, strictjson.CodeMalformed, ""},
		"a leading zero":                        {`[01]`, strictjson.CodeMalformed, ""},
		"NaN":                                   {`NaN`, strictjson.CodeMalformed, ""},
		"a raw line break in a string":          {"\"a\nb\"", strictjson.CodeMalformed, ""},
		"a wrong escape":                        {`"\x41"`, strictjson.CodeMalformed, ""},
		"an unclosed array":                     {`[[]`, strictjson.CodeMalformed, ""},
		"a byte order mark":                     {"\ufeff{}", strictjson.CodeMalformed, ""},
		"a second value":                        {`{}{}`, strictjson.CodeTrailingData, ""},
		"rubbish after the value":               {`{} x`, strictjson.CodeTrailingData, ""},
		"a NUL byte after the value":            {"{}\x00", strictjson.CodeTrailingData, ""},
		"a name twice":                          {`{"a":1,"b":2,"a":3}`, strictjson.CodeDuplicateKey, "/a"},
		"a name twice, once escaped":            {`[{"a":1,"\u0061":3}]`, strictjson.CodeDuplicateKey, "/0/a"},
		"a name twice, both null":               {`{"a":null,"a":null}`, strictjson.CodeDuplicateKey, "/a"},
		"an empty name twice":                   {`{"":1,"":2}`, strictjson.CodeDuplicateKey, "/"},
		"bytes that are not UTF-8":              {"{\"a\":\"x\xff\"}", strictjson.CodeInvalidUTF8, "/a"},
		"a surrogate encoded as UTF-8":          {"\"\xed\xa0\x80\"", strictjson.CodeInvalidUTF8, ""},
		"bytes that are not UTF-8 in a name":    {"{\"a\xff\":1}", strictjson.CodeInvalidUTF8, ""},
		"a high surrogate alone":                {`["\ud800"]`, strictjson.CodeInvalidUTF8, "/0"},
		"a low surrogate alone":                 {`["\uDC00x"]`, strictjson.CodeInvalidUTF8, "/0"},
		"two high surrogates":                   {`"\ud800\ud800"`, strictjson.CodeInvalidUTF8, ""},
		"an escaped NUL in a string":            {`{"a":{"b":"x\u0000"}}`, strictjson.CodeNUL, "/a/b"},
		"an escaped NUL in a name":              {`{"a":{"b\u0000":1}}`, strictjson.CodeNUL, "/a"},
		"a pointer escapes its special letters": {`{"a/b~c":"\u0000"}`, strictjson.CodeNUL, "/a~1b~0c"},
		"one level too many":                    {nested(strictjson.MaxDepth + 1), strictjson.CodeDepth, strings.Repeat("/0", strictjson.MaxDepth)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := strictjson.Decode([]byte(tt.in))
			assert.Nil(t, got)
			e := syntaxError(t, err)
			assert.Equal(t, tt.code, e.Code)
			assert.Equal(t, tt.pointer, e.Pointer)
			assert.NotEmpty(t, e.Message)
			assert.LessOrEqual(t, e.Offset, int64(len(tt.in)))
		})
	}
}

func TestDecodeNamesTheOffsetOfTheFault(t *testing.T) {
	t.Parallel()
	_, err := strictjson.Decode([]byte(`{"a":1 "b":2}`))
	assert.Equal(t, int64(7), syntaxError(t, err).Offset)
}

func TestDecodeTakesMaxDepthLevels(t *testing.T) {
	t.Parallel()
	_, err := strictjson.Decode([]byte(nested(strictjson.MaxDepth)))
	assert.NoError(t, err)
}

func TestDecodeRefusesDeepNestingAtOnce(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"[", `{"a":`} {
		body := []byte(strings.Repeat(open, 9_000))
		start := time.Now()
		_, err := strictjson.Decode(body)
		assert.Equal(t, strictjson.CodeDepth, syntaxError(t, err).Code)
		assert.Less(t, time.Since(start), 100*time.Millisecond)
	}
}

func TestMessagesHoldNothingOfTheInput(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, in := range []string{
		`{"` + secret + `":` + secret + `}`,
		`{"` + secret + `":1,"` + secret + `":2}`,
		`["` + secret + `\u0000"]`,
		`["` + secret + "\xff\"]",
		`{} ` + secret,
		secret,
	} {
		_, err := strictjson.Decode([]byte(in))
		e := syntaxError(t, err)
		assert.NotContains(t, e.Message, secret)
		assert.NotContains(t, e.Error(), secret)
	}
}

func TestDecodeSaysWhatIsWrongWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	_, err := strictjson.Decode([]byte("\ufeff{}"))
	assert.Contains(t, syntaxError(t, err).Message, "byte order mark")
}

func TestDecodeDoesNotKeepOrChangeItsInput(t *testing.T) {
	t.Parallel()
	data := []byte(`{"name":"Asha","n":12}`)
	before := string(data)
	got, err := strictjson.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, before, string(data))
	clear(data)
	assert.Equal(t, map[string]any{"name": "Asha", "n": json.Number("12")}, got)
}

func syntaxError(t *testing.T, err error) *strictjson.SyntaxError {
	t.Helper()
	var e *strictjson.SyntaxError
	require.ErrorAs(t, err, &e)
	return e
}

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}
