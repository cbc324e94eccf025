package contract_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestCheck_refusesQueries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query string
		want  []string
	}{
		"with a repeated parameter":              {"limit=5&limit=5000", []string{"query limit repeated"}},
		"with a repeated parameter, same value":  {"sort=name&sort=name", []string{"query sort repeated"}},
		"with an unknown parameter":              {"colour=blue", []string{"query colour unknown"}},
		"with a wrong-cased parameter":           {"LIMIT=5", []string{"query LIMIT unknown"}},
		"with a limit of zero":                   {"limit=0", []string{"query limit minimum"}},
		"with a negative limit":                  {"limit=-1", []string{"query limit minimum"}},
		"with a negative limit of 30 digits":     {"limit=-" + strings.Repeat("9", 30), []string{"query limit minimum"}},
		"with a limit that is no number":         {"limit=ten", []string{"query limit type"}},
		"with a limit that is no whole number":   {"limit=1.5", []string{"query limit type"}},
		"with a limit in hexadecimal":            {"limit=0x10", []string{"query limit type"}},
		"with an empty limit":                    {"limit=", []string{"query limit empty"}},
		"with a page that is too far":            {"page=10001", []string{"query page maximum"}},
		"with a page beyond all integers":        {"page=" + strings.Repeat("9", 30), []string{"query page maximum"}},
		"with page and cursor":                   {"page=2&cursor=abc", []string{"query cursor excludes"}},
		"with a cursor of wrong characters":      {"cursor=a.b", []string{"query cursor pattern"}},
		"with an enum's stranger":                {"status=gone", []string{"query status enum"}},
		"with a UUID that is none":               {"classId=17", []string{"query classId format"}},
		"with a UUID in braces":                  {"classId=%7B01900000-0000-7000-8000-000000000101%7D", []string{"query classId format"}},
		"with an empty search":                   {"q=", []string{"query q minLength"}},
		"with a blank search":                    {"q=+++", []string{"query q minLength"}},
		"with a search that is too long":         {"q=" + strings.Repeat("x", 201), []string{"query q maxLength"}},
		"with invalid UTF-8 where it is cleaned": {"q=%ff", []string{"query q text"}},
		"with invalid UTF-8 elsewhere":           {"sort=%c3%28", []string{"query sort text"}},
		"with a NUL where it is cleaned":         {"q=a%00b", []string{"query q text"}},
		"with several faults, naming all": {
			"limit=-1&status=gone&sort=height&colour=blue&classId=five&q=%ff",
			[]string{
				"query colour unknown", "query limit minimum", "query sort enum", "query classId format", "query status enum",
				"query q text",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, faults(t, operation(t, "listStudents").Check(get(test.query), nil)))
		})
	}
}

func TestCheck_refusesAMalformedQueryString(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"q=%zz", "q=%", "a;b=1", "%=1"} {
		e := refusal(t, operation(t, "listStudents").Check(get(query), nil))
		assert.Equal(t, apperr.Invalid, e.Kind)
		assert.Equal(t, "The query string is malformed.", e.Detail, query)
	}
}

func TestCheck_rewritesTheQuery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query string
		want  url.Values
	}{
		"filling in defaults": {"", url.Values{"page": {"1"}, "limit": {"20"}, "sort": {"name"}}},
		"leaving what is good": {
			"limit=100&page=3&sort=-createdAt", url.Values{"page": {"3"}, "limit": {"100"}, "sort": {"-createdAt"}},
		},
		"capping the limit":               {"limit=500", capped()},
		"capping a limit one too high":    {"limit=101", capped()},
		"capping a limit of 30 digits":    {"limit=" + strings.Repeat("9", 30), capped()},
		"capping a limit with a sign":     {"limit=%2B500", capped()},
		"capping a limit with zeros":      {"limit=00000000000000000000000000500", capped()},
		"normalising a search":            {"q=%20Jose%CC%81%20%20%E2%80%AEx%20", searched("José x")},
		"normalising no more than listed": {"q=%3Cb%3EA%3C/b%3E", searched("<b>A</b>")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := get(test.query)
			require.NoError(t, operation(t, "listStudents").Check(r, nil))
			assert.Equal(t, test.want, r.URL.Query())
		})
	}
}

func capped() url.Values { return url.Values{"page": {"1"}, "limit": {"100"}, "sort": {"name"}} }

func searched(q string) url.Values {
	return url.Values{"page": {"1"}, "limit": {"20"}, "sort": {"name"}, "q": {q}}
}

func TestCheck_pathParameters(t *testing.T) {
	t.Parallel()
	const good = "01900000-0000-7000-8000-000000000601"
	for value, want := range map[string][]string{
		"17": {"path studentId format"}, "": {"path studentId required"}, good + "\x00": {"path studentId text"},
		"\xff": {"path studentId text"}, "urn:uuid:" + good: {"path studentId format"},
		strings.ReplaceAll(good, "-", ""): {"path studentId format"},
	} {
		err := operation(t, "getStudent").Check(get(""), map[string]string{"studentId": value})
		assert.Equal(t, want, faults(t, err), "%q", value)
	}
	require.NoError(t, operation(t, "getStudent").Check(get(""), map[string]string{"studentId": good}))
	assert.Equal(t, []string{"path studentId required"}, faults(t, operation(t, "getStudent").Check(get(""), nil)))
}

func TestCheck_headers(t *testing.T) {
	t.Parallel()
	path := map[string]string{"studentId": "01900000-0000-7000-8000-000000000601"}
	for name, test := range map[string]struct {
		values []string
		want   []string
	}{
		"given twice": {[]string{`"1"`, `"2"`}, []string{"header If-None-Match repeated"}},
		"too long":    {[]string{strings.Repeat("x", 201)}, []string{"header If-None-Match maxLength"}},
		"not ASCII":   {[]string{`"é"`}, []string{"header If-None-Match pattern"}},
		"not UTF-8":   {[]string{"\"\xff\""}, []string{"header If-None-Match text"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := get("")
			r.Header["If-None-Match"] = test.values
			assert.Equal(t, test.want, faults(t, operation(t, "getStudent").Check(r, path)))
		})
	}
	for _, value := range []string{`"1"`, `W/"1"`, `"1", "2"`, `*`} {
		r := get("")
		r.Header = http.Header{"If-None-Match": {value}}
		require.NoError(t, operation(t, "getStudent").Check(r, path), value)
	}
}

func TestCheck_namesNoMoreUnknownParametersThanAPersonReads(t *testing.T) {
	t.Parallel()
	var query strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&query, "p%d&", i)
	}
	assert.Len(t, faults(t, operation(t, "listStudents").Check(get(query.String()), nil)), contract.MostUnknown)
}

func TestCheck_shortensTheNameOfAnUnknownParameter(t *testing.T) {
	t.Parallel()
	e := refusal(t, operation(t, "listStudents").Check(get(strings.Repeat("é", 300)+"=1"), nil))
	assert.Equal(t, strings.Repeat("é", 100)+"…", e.Fields[0].Field)

	e = refusal(t, operation(t, "listStudents").Check(get("a%ffb=1"), nil))
	assert.Equal(t, "a\uFFFDb", e.Fields[0].Field)
}
