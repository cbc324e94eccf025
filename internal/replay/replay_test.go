package replay

import (
	"encoding/base32"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// The runs themselves are tested on the real service, in internal/server.

func scriptOf(t *testing.T) *script {
	t.Helper()
	c, err := contract.Load()
	require.NoError(t, err)
	s, err := newScript(c)
	require.NoError(t, err)
	return s
}

func (s *script) place(t *testing.T, operation, name string) int {
	t.Helper()
	for i, st := range s.steps {
		if st.op.ID == operation && st.name == name {
			return i
		}
	}
	t.Fatalf("no step %s/%s", operation, name)
	return 0
}

func TestScript_ordersByWhatExamplesMakeAndNeed(t *testing.T) {
	t.Parallel()
	s := scriptOf(t)
	for _, pair := range [][4]string{
		{"login", "admin", "getSession", "admin"},
		{"listInstitutions", "first-of-3", "createInstitution", "new"},
		{"createUser", "clerk", "login", "clerk"},
		{"login", "clerk", "changePassword", "clerk"},
		{"admitStudent", "minimal", "withdrawStudent", "minimal"},
		{"createRole", "librarian", "deleteRole", "204"},
		{"admitStudent", "missing-last-name", "admitStudent", "full"},
	} {
		assert.Less(t, s.place(t, pair[0], pair[1]), s.place(t, pair[2], pair[3]), "%v", pair)
	}
}

func TestScript_chooses(t *testing.T) {
	t.Parallel()
	s := scriptOf(t)
	assert.Len(t, s.choose("", ""), len(s.steps))
	for _, st := range s.choose("student", "") {
		assert.Equal(t, "student", st.op.Tag)
	}
	assert.NotEmpty(t, s.choose("", "admitStudent"))
	assert.Empty(t, s.choose("auth", "admitStudent"))
}

func TestScript_sendsAsWhoHoldsThePermissionAndAsLittleBesides(t *testing.T) {
	t.Parallel()
	s := scriptOf(t)
	for operation, who := range map[string]string{"getStudent": "registrar", "getClass": "registrar", "createClass": "admin", "getSession": "admin"} {
		assert.Equal(t, who, s.actorFor(s.contract.Operations[operation]), operation)
	}
	for operation, who := range map[string]string{
		"getStudent": "newcomer", "listSessions": "second-factor", "getSession": "", // which answers before the second factor, too
	} {
		assert.Equal(t, who, s.actorWithout(s.contract.Operations[operation]), operation)
	}
}

func TestDistinct_makesAnotherValueThatTheSchemaTakes(t *testing.T) {
	t.Parallel()
	number := openapi3.NewStringSchema().WithPattern(`^[0-9]{12}$`)
	code := openapi3.NewStringSchema().WithPattern(`^[A-Z0-9-]+$`).WithMaxLength(20)
	for value, test := range map[string]struct {
		schema *openapi3.Schema
		like   string
	}{
		"123412341234":     {number, `^[1-9]{8}1234$`},
		"RIVER":            {code, `^RIVER-[A-Z0-9]{6}$`},
		"Diya@Example.org": {openapi3.NewStringSchema(), `^Diya\+[a-z0-9]{6}@Example\.org$`},
		"Grade 8":          {openapi3.NewStringSchema(), `^Grade 8 [A-Z0-9]{6}$`},
	} {
		got := distinct(value, test.schema)
		assert.Regexp(t, test.like, got)
		assert.NotEqual(t, got, distinct(value, test.schema))
	}
}

func TestComparison(t *testing.T) {
	t.Parallel()
	const made, seeded = "01900000-0000-7000-8000-000000000698", "01900000-0000-7000-8000-000000000601"
	counted := openapi3.NewIntegerSchema()
	counted.Extensions = map[string]any{"x-compare": "at-least"}
	schema := openapi3.NewObjectSchema().WithProperty("total", counted).WithProperty("data", openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema()))
	for name, test := range map[string]struct {
		want, got string
		fresh     bool
		differ    []string
	}{
		"the same":                            {want: `{"a":1,"b":[true,null]}`, got: `{"b":[true,null],"a":1}`},
		"another value":                       {want: `{"a":1}`, got: `{"a":2}`, differ: []string{"/a"}},
		"another type":                        {want: `{"a":1}`, got: `{"a":"1"}`, differ: []string{"/a"}},
		"a member more and one less":          {want: `{"a":1}`, got: `{"b":1}`, differ: []string{"/a", "/b"}},
		"times are of a kind":                 {want: `"2026-01-01T00:00:00Z"`, got: `"2027-05-05T05:05:05.5Z"`},
		"days are not":                        {want: `"2026-01-01"`, got: `"2026-01-02"`, differ: []string{""}},
		"an id that was made":                 {want: `"` + made + `"`, got: `"01900000-0000-7000-8000-00000000abcd"`},
		"and then is another one":             {want: `["` + made + `","` + made + `"]`, got: `["01900000-0000-7000-8000-00000000abcd","01900000-0000-7000-8000-00000000ffff"]`, differ: []string{"/1"}},
		"an id that a request names":          {want: `"` + seeded + `"`, got: `"01900000-0000-7000-8000-00000000abcd"`, differ: []string{""}},
		"rows among others":                   {want: `{"data":["a","c"],"total":2}`, got: `{"data":["a","b","c"],"total":3}`},
		"rows among others in a fresh tenant": {want: `{"data":["a","c"],"total":2}`, got: `{"data":["a","b","c"],"total":3}`, fresh: true, differ: []string{"/data", "/total"}},
		"rows in another order":               {want: `{"data":["c","a"]}`, got: `{"data":["a","b","c"]}`, differ: []string{"/data/1"}},
		"fewer rows":                          {want: `{"data":["a"],"total":2}`, got: `{"data":[],"total":1}`, differ: []string{"/data", "/total"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, got any
			require.NoError(t, json.Unmarshal([]byte(test.want), &want))
			require.NoError(t, json.Unmarshal([]byte(test.got), &got))
			c := comparison{vars: vars{}, anchored: map[string]bool{seeded: true}, exact: test.fresh}
			c.value("", "", schema, want, got)
			var places []string
			for _, d := range c.differences {
				places = append(places, d.Where)
			}
			assert.Equal(t, test.differ, places)
		})
	}
}

// RFC 6238, appendix B, the last six digits.
func TestTOTP(t *testing.T) {
	t.Parallel()
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 20000000000: "353130"} {
		code, err := totp(secret, totpCounter(time.Unix(at, 0)))
		require.NoError(t, err)
		assert.Equal(t, want, code)
	}
	_, err := totp("no secret!", 1)
	require.Error(t, err)
}

func TestResult_readsWellAndIsValidJUnit(t *testing.T) {
	t.Parallel()
	r := &Result{
		BaseURL: "http://x",
		Operations: []*Operation{{ID: "getClass", Method: "GET", Path: "/v1/classes/{classId}", Tag: "academic", Steps: []*Step{
			{Name: "grade5", Kind: Example, Status: 200, Failures: []Difference{{"/name", `"Grade 5"`, "\"Grade\x00 6 <b>\""}}},
			{Name: "unknown", Kind: Negative, Status: 404},
		}}},
		Coverage: Coverage{Operations: Count{1, 1}, Examples: Count{2, 3}, Missing: []string{"getClass: example other was not sent"}},
		Left:     []string{"1 made by createClass: stays, inactive"}, Requests: 2, Failures: 1, Took: time.Second, Waited: time.Second / 2,
	}
	assert.False(t, r.Passed())
	var text, junit strings.Builder
	r.WriteText(&text, "Document: this program's.")
	for _, line := range []string{
		"✗ getClass", "example grade5, which gets 200:", "- expected \"Grade 5\"", "examples", "2 of 3", "66 %", "example other was not sent",
		"1 made by createClass: stays, inactive", "FAILED: 1 operations, 2 requests, 1 failures in 1s, 500ms of it waiting for rate limits",
	} {
		assert.Contains(t, text.String(), line)
	}
	require.NoError(t, r.WriteJUnit(&junit))
	var report junitReport
	require.NoError(t, xml.Unmarshal([]byte(junit.String()), &report))
	assert.Equal(t, []int{3, 2, 2}, []int{report.Tests, report.Failures, len(report.Suites)})
	assert.Equal(t, `/name: expected "Grade 5", actual "Grade 6 <b>"`, report.Suites[0].Cases[0].Failure.Message)
}

func TestCompare_saysHowTheDocumentOfAServerDiffers(t *testing.T) {
	t.Parallel()
	mine, err := contract.Load()
	require.NoError(t, err)
	assert.Empty(t, Compare(mine, mine))
	text := strings.Replace(string(contract.YAML), "operationId: getClass\n", "operationId: readClass\n", 1)
	other, err := contract.Compile([]byte(text))
	require.NoError(t, err)
	assert.Equal(t, "only the server has readClass; the server lacks getClass", Compare(mine, other))
	other, err = contract.Compile([]byte(strings.Replace(string(contract.YAML), "summary: Get a class\n", "summary: Read a class\n", 1)))
	require.NoError(t, err)
	assert.Equal(t, "the operations are the same, what is said of them is not", Compare(mine, other))
}
