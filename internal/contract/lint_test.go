package contract_test

import (
	"crypto/sha256"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestDocument_isClean(t *testing.T) {
	t.Parallel()
	for _, finding := range document(t).Lint() {
		assert.Fail(t, finding)
	}
}

func TestDocument_isTheOneAtTheTopOfTheRepository(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	assert.Equal(t, sha256.Sum256(source), sha256.Sum256(contract.YAML), "run make generate: internal/contract/openapi.yaml is another one")
}

func TestLint_findsNothingInACleanDocument(t *testing.T) {
	t.Parallel()
	assert.Empty(t, lint(t, same))
}

// Every rule: a document that breaks it in one place, and all that the lint says then.
func TestLint(t *testing.T) {
	t.Parallel()
	for group, tests := range map[string][]lintTest{
		"operation": operationRules, "access": accessRules, "repetition": repetitionRules, "answers": answerRules, "examples": exampleRules,
		"negative examples": negativeRules, "request": requestRules, "parameter": parameterRules, "schema": schemaRules,
		"extension": extensionRules, "deprecation": deprecationRules, "replay": replayRules, "link": linkRules,
	} {
		for _, test := range tests {
			t.Run(group+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				assert.Equal(t, test.want, lint(t, test.mutate))
			})
		}
	}
}

type lintTest struct {
	name   string
	mutate mutation
	want   []string
}

// mutation changes the text of a document.
type mutation func(t *testing.T, text string) string

func same(_ *testing.T, text string) string { return text }

// replace changes the one place where old stands.
func replace(old, replacement string) mutation {
	return func(t *testing.T, text string) string {
		t.Helper()
		require.Equal(t, 1, strings.Count(text, old), "%q must stand in the document once", old)
		return strings.Replace(text, old, replacement, 1)
	}
}

// drop removes the one place where old stands.
func drop(old string) mutation { return replace(old, "") }

// in changes one operation or schema only: the text from a line on.
func in(line string, change mutation) mutation {
	return func(t *testing.T, text string) string {
		t.Helper()
		before, after, found := strings.Cut(text, line+"\n")
		require.True(t, found, "no line %q", line)
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		end := len(after)
		for i, rest := 0, after; rest != ""; {
			head, tail, _ := strings.Cut(rest, "\n")
			if !strings.HasPrefix(head, indent) {
				end = i
				break
			}
			i, rest = i+len(head)+1, tail
		}
		return before + line + "\n" + change(t, after[:end]) + after[end:]
	}
}

// both makes two changes.
func both(first, second mutation) mutation {
	return func(t *testing.T, text string) string {
		t.Helper()
		return second(t, first(t, text))
	}
}

const (
	signIn     = "      operationId: signIn"
	listThings = "      operationId: listThings"
	putThing   = "      operationId: putThing"
)

// property replaces the schema of a property of Thing.
func property(name, schema string) mutation {
	return func(t *testing.T, text string) string {
		t.Helper()
		before, after, found := strings.Cut(text, "\n        "+name+": {")
		require.True(t, found)
		_, after, _ = strings.Cut(after, "\n")
		return before + "\n        " + name + ": " + schema + "\n" + after
	}
}

func lint(t *testing.T, mutate mutation) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/clean.yaml")
	require.NoError(t, err)
	c, err := contract.Compile([]byte(mutate(t, string(text))))
	require.NoError(t, err)
	return c.Lint()
}
