package contract_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// What the server could not enforce must not start.
func TestCompile_refuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mutate mutation
		want   string
	}{
		"an operation that does not say who may call it": {
			drop("      x-permission: thing:write\n"), "putThing: has neither x-permission nor security: []",
		},
		"an operation with an empty permission": {
			replace("x-permission: thing:write", `x-permission: ""`), "putThing: has neither x-permission nor security: []",
		},
		"an operation that needs a permission and none": {
			replace("x-permission: thing:write", "x-permission: thing:write\n      security: []"),
			"putThing: has both security: [] and x-permission",
		},
		"a public operation that says none": {
			replace("      security: []", "      security: []\n      x-permission: none"), "signIn: has both security: [] and x-permission",
		},
		"a permission that is not declared": {
			replace("x-permission: thing:write", "x-permission: thing:sell"),
			`putThing: x-permission "thing:sell" is not declared in x-permissions`,
		},
		"a permission that is no text": {
			replace("x-permission: thing:write", "x-permission: [thing:write]"), "putThing: x-permission: json:",
		},
		"a document without a global security":     {drop("security: [{ bearer: [] }]\n"), "the document has no global security"},
		"a document with an empty global security": {replace("security: [{ bearer: [] }]", "security: []"), "the document has no global security"},
		"an operation with a security of its own": {
			replace("x-permission: thing:write", "x-permission: thing:write\n      security: [{ bearer: [] }]"),
			"putThing: has a security of its own; only the document's, or security: [], is supported",
		},
		"an x-mfa that is not known": {
			replace("x-permission: thing:write", "x-permission: thing:write\n      x-mfa: never"), `putThing: x-mfa "never" is not exempt`,
		},
		"an x-fresh-factor that is not known": {
			replace("x-permission: thing:write", "x-permission: thing:write\n      x-fresh-factor: third"),
			`putThing: x-fresh-factor "third" is neither second nor any`,
		},
		"an x-fresh-factor of a member that is not there": {
			replace("x-permission: thing:write", "x-permission: thing:write\n      x-fresh-factor: { nosuch: any }"),
			"putThing: x-fresh-factor: application/json has no member nosuch",
		},
		"a public operation that asks for a factor": {
			replace("      security: []", "      security: []\n      x-fresh-factor: any"), "signIn: is public, and has x-mfa or x-fresh-factor",
		},
		"an operation without a body limit": {drop("x-max-body-bytes: 1000\n"), "has no x-max-body-bytes, nor has the document"},
		"an operation with a body limit of zero": {
			replace("x-permission: thing:write", "x-permission: thing:write\n      x-max-body-bytes: 0"),
			"putThing: has no x-max-body-bytes, nor has the document",
		},
		"a body without a schema": {
			in(signIn, drop("            schema: { $ref: \"#/components/schemas/Credentials\" }\n")),
			"signIn: body application/json: has no schema",
		},
		"a parameter without a schema": {
			replace("description: A part of the name., schema: { type: string, maxLength: 10, x-normalize: [nfc, trim] }",
				"description: A part of the name., content: { text/plain: { schema: { type: string } } }"),
			"listThings: parameter q: has no schema",
		},
		"an unknown step of x-normalize": {
			replace("label: { type: string, minLength: 1, maxLength: 10, x-normalize: [nfc, trim]",
				"label: { type: string, minLength: 1, maxLength: 10, x-normalize: [nfc, shout]"),
			`schema Thing: label: x-normalize: unknown step "shout"`,
		},
		"an unknown step of x-normalize on a parameter": {
			replace("{ type: string, maxLength: 10, x-normalize: [nfc, trim] } }", "{ type: string, x-normalize: [shout] } }"),
			`listThings: parameter q: x-normalize: unknown step "shout"`,
		},
		"a cap that is no number": {replace("x-cap: 100", "x-cap: many"), "listThings: parameter limit: x-cap: json:"},
		"an empty key of x-unique-by": {
			replace("type: array, maxItems: 3,", "type: array, maxItems: 3, x-unique-by: [[]],"),
			"schema Thing: parts: x-unique-by: a key names no member",
		},
		"a default that requests would share": {
			property("parts", `{ type: array, maxItems: 3, default: [], description: D, items: { $ref: "#/components/schemas/Part" } }`),
			"schema Thing: parts: default: only strings, numbers and booleans are supported",
		},
		"a schema that holds itself": {
			replace(`items: { $ref: "#/components/schemas/Part" } }`, `items: { $ref: "#/components/schemas/Thing" } }`),
			"holds itself, which is not supported",
		},
		"a role that is no object":                  {replace("x-roles: {", "x-roles: { helper: all,"), "x-roles: helper: json:"},
		"a role without an id":                      {replace("x-roles: {", "x-roles: { helper: { reach: students },"), "x-roles: helper: has no id"},
		"a role with the id of another one":         {replace("x-roles: {", "x-roles: { helper: { id: 00000000-0000-8000-8000-000000000001, reach: students },"), "x-roles: helper: has the id of admin"},
		"a role that reaches nowhere":               {replace("reach: institutions", "reach: far"), `x-roles: admin: reach "far" is none of [institutions sections students]`},
		"a further permission that is not declared": {replace("x-permission: thing:read", "x-permission: thing:read\n      x-further-permissions: [thing:fly]"), `listThings: x-further-permissions: "thing:fly" is not declared in x-permissions`},
		"an operation that reaches nowhere":         {replace("x-permission: thing:read", "x-permission: thing:read\n      x-reach: far"), `listThings: x-reach "far" is not tenant`},
		"a reach without a permission":              {replace("x-permission: thing:read", "x-permission: none\n      x-reach: tenant"), "listThings: has x-reach and no x-permission that could reach so far"},
		"what is no YAML":                           {replace("openapi: 3.0.3", "openapi: ["), "read openapi.yaml:"},
		"what is no OpenAPI":                        {drop("info: { title: Small, version: \"1\", contact: { name: Tester } }\n"), "openapi.yaml: invalid info"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("testdata/clean.yaml")
			require.NoError(t, err)
			_, err = contract.Compile([]byte(test.mutate(t, string(text))))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestCompile_takesADocumentWithoutComponents(t *testing.T) {
	t.Parallel()
	c, err := contract.Compile([]byte(`
openapi: 3.0.3
info: { title: Tiny, version: "1" }
x-max-body-bytes: 10
paths:
  /v1/pulse:
    get: { operationId: pulse, security: [], responses: { "204": { description: Alive } } }
`))
	require.NoError(t, err)
	assert.True(t, c.Operations["pulse"].Public)
	require.NoError(t, c.Operations["pulse"].Check(get(""), nil))
}

func TestLoad_readsWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	op := operation(t, "admitStudents")
	assert.Equal(t, http.MethodPost, op.Method)
	assert.Equal(t, "/v1/students/bulk", op.Path)
	assert.Equal(t, "student", op.Tag)
	assert.Equal(t, contract.RateTier{Name: "bulk", Requests: 12, Per: time.Minute}, op.RateTier)
	assert.Equal(t, "students:admit", op.Permission)
	assert.Equal(t, int64(2<<20), op.MaxBodyBytes)
	assert.False(t, op.Public)
	assert.Equal(t, int64(64<<10), operation(t, "admitStudent").MaxBodyBytes, "the document's")
	assert.Empty(t, operation(t, "getSession").Permission, "signed in is enough")
}

func TestLoad_onlySignInIsPublic(t *testing.T) {
	t.Parallel()
	var public []string
	for id, op := range document(t).Operations {
		if op.Public {
			public = append(public, id)
		}
	}
	assert.Equal(t, []string{"login"}, public)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	c := document(t)
	admin, found := c.Role("admin")
	require.True(t, found)
	assert.Equal(t, slices.Sorted(maps.Keys(c.Permissions)), admin.Permissions)
	assert.Equal(t, contract.ReachInstitutions, admin.Reach)
	assert.Contains(t, c.Roles(), admin)
	_, found = c.Role("nobody")
	assert.False(t, found)
}

func TestDeclared_leavesOutWhatTheDocumentDoesNotKnow(t *testing.T) {
	t.Parallel()
	c := document(t)
	assert.Equal(t, []string{"students:admit", "students:read"}, c.Declared([]string{"students:read", "gone:read", "students:admit", "students:read"}))
	assert.Equal(t, []string{}, c.Declared(nil), "[] in JSON, not null")
}

// The examples are requests that people copy.
func TestDocument_examplesAreAccepted(t *testing.T) {
	t.Parallel()
	c := document(t)
	for id, op := range c.Operations {
		if op.Spec.RequestBody == nil {
			continue
		}
		path := map[string]string{}
		for _, p := range c.Document.Paths.Value(op.Path).Parameters {
			for _, example := range p.Value.Examples {
				path[p.Value.Name] = fmt.Sprint(example.Value.Value)
			}
		}
		for mediaType, content := range op.Spec.RequestBody.Value.Content {
			for name, example := range content.Examples {
				r := post(text(t, example.Value.Value))
				r.Header.Set("Content-Type", mediaType)
				assert.NoError(t, op.Check(r, path), "%s %s", id, name)
			}
		}
	}
}

func TestSpecExtensions_explainsEveryExtension(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/spec-extensions.md")
	require.NoError(t, err)
	for _, key := range contract.Extensions() {
		assert.Contains(t, string(page), "`"+key+"`", "docs/spec-extensions.md does not explain it")
		assert.Contains(t, string(page), key+":", "docs/spec-extensions.md has no example of it")
	}
}
