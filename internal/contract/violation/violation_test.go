package violation

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// That the requests are refused and taken is tested on the real service, in internal/server.

func small(t *testing.T, change func(string) string) *contract.Contract {
	t.Helper()
	text, err := os.ReadFile("../testdata/clean.yaml")
	require.NoError(t, err)
	c, err := contract.Compile([]byte(change(string(text))))
	require.NoError(t, err)
	return c
}

func same(text string) string { return text }

func TestConstraints_areCountedOnceEach(t *testing.T) {
	t.Parallel()
	var found []string
	for _, c := range Constraints(small(t, same)) {
		if c.Operation == "signIn" {
			found = append(found, string(c.In)+" "+c.Place+" "+c.Keyword)
		}
	}
	assert.ElementsMatch(t, []string{
		"query no-such-parameter unknown", "body  requestBody", "body  type", "body  nullable", "body  additionalProperties",
		"body /password required", "body /password type", "body /password nullable", "body /password maxLength",
	}, found)
}

func TestOf_hasARequestForEveryConstraint(t *testing.T) {
	t.Parallel()
	c := small(t, same)
	exercised := map[Constraint]bool{}
	for _, broken := range Of(c).Broken {
		exercised[broken.Constraint] = true
		assert.NotEmpty(t, broken.Faults)
	}
	assert.ElementsMatch(t, Constraints(c), slices.Collect(maps.Keys(exercised)))
}

// A keyword that the generator does not know is counted all the same, so that it is missed.
func TestConstraints_countWhatNoRequestIsMadeFor(t *testing.T) {
	t.Parallel()
	c := small(t, func(text string) string {
		return strings.Replace(text, "weight: { type: integer, minimum: 0,", "weight: { type: integer, multipleOf: 2, minimum: 0,", 1)
	})
	unexercised := map[Constraint]bool{}
	for _, constraint := range Constraints(c) {
		unexercised[constraint] = true
	}
	for _, broken := range Of(c).Broken {
		delete(unexercised, broken.Constraint)
	}
	assert.Equal(t, map[Constraint]bool{{"putThing", "body", "/weight", "multipleOf"}: true}, unexercised)
}

func TestValuesOf_breakOneKeywordWhereTheyCan(t *testing.T) {
	t.Parallel()
	phone := openapi3.NewStringSchema().WithPattern(`^[\d\s\-+()]{7,20}$`).WithMaxLength(20)
	phone.Extensions = map[string]any{"x-normalize": []any{"nfc", "trim", "collapse"}}
	code := openapi3.NewStringSchema().WithPattern(`^[a-z]+$`).WithMinLength(3).WithMaxLength(5)
	email := openapi3.NewStringSchema().WithFormat("email").WithMaxLength(255)
	for name, test := range map[string]struct {
		schema *openapi3.Schema
		broken map[string][]string
		kept   int
	}{
		"a pattern that bounds the length itself": {phone, map[string][]string{"maxLength": {"maxLength", "pattern"}, "pattern": {"pattern"}}, 2},
		"a pattern of any length":                 {code, map[string][]string{"minLength": {"minLength"}, "maxLength": {"maxLength"}, "pattern": {"pattern"}}, 3},
		"a format":                                {email, map[string][]string{"format": {"format"}, "maxLength": {"maxLength"}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken, kept := map[string][]string{}, 0
			for _, v := range valuesOf(test.schema, samples{}) {
				if v.broken == nil {
					kept++
				} else {
					broken[v.keyword] = v.broken
				}
			}
			assert.Equal(t, test.broken, broken)
			assert.Equal(t, test.kept, kept)
		})
	}
}

func TestBytesLongAndNested(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]any{"m": "xx"}, bytesLong(10))
	assert.Equal(t, map[string]any{"m": map[string]any{"m": map[string]any{}}}, nested(3))
}
