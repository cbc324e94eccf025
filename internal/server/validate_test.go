package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/server"
)

// The document is changed in one place, so that the service, which is as it was, breaks it.
func TestValidation_anAnswerThatBreaksTheDocumentIsA500WithTheReasonInTheLog(t *testing.T) {
	t.Parallel()
	database := dbtest.NewFrom(t, "demo", seedDemo)
	const get, unknown = "/v1/students/" + asha, "/v1/students/01900000-0000-7000-8000-00000000ffff"
	text := openapi3.NewStringSchema()
	for name, test := range map[string]struct {
		change func(d document3)
		path   string
		token  string
		reason string
	}{
		"a status that is not documented": {
			func(d document3) { d.responses().Delete("404") }, unknown, "admin",
			"getStudent answered 404, which is not what the document says: the status is not documented",
		},
		"a header that is missing": {func(d document3) {
			d.ok().Headers["X-Version"] = &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{Required: true, Schema: text.NewRef()}}}
		}, get, "admin", "header X-Version required"},
		"a header of another type": {func(d document3) {
			d.ok().Headers["ETag"].Value.Schema = openapi3.NewIntegerSchema().NewRef()
		}, get, "admin", "header ETag type"},
		"a member that is too long": {func(d document3) {
			d.property("Student", "firstName").MaxLength = new(uint64(3))
		}, get, "admin", "body /firstName maxLength"},
		"a member of another format": {func(d document3) {
			d.property("Student", "lastName").Format = "date-time"
		}, get, "admin", "body /lastName format"},
		"a required member that is missing": {func(d document3) {
			d.schema("Enrollment").Required = append(d.schema("Enrollment").Required, "endedOn")
		}, get, "admin", "body /enrollment/endedOn required"},
		"an undocumented member of a closed object": {func(d document3) {
			d.schema("Student").AdditionalProperties.Has = new(false)
			delete(d.schema("Student").Properties, "firstName")
		}, get, "admin", "body /? additionalProperties"},
		"another media type": {func(d document3) {
			d.ok().Content = openapi3.Content{"text/csv": openapi3.NewMediaType()}
		}, get, "admin", "the media type is not documented"},
		"a body where none is documented": {func(d document3) { d.ok().Content = nil }, get, "admin", "a body where none is documented"},
		"a problem of another shape, from the gate": {func(d document3) {
			d.schema("Problem").Required = []string{"cause"}
		}, get, "", "getStudent answered 401, which is not what the document says: body /cause required"},
		"a problem of another shape, of no operation": {func(d document3) {
			d.schema("Problem").Required = []string{"cause"}
		}, "/v1/nowhere", "", "answered 404, which is not what the document says: body /cause required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarnessOf(t, changed(t, test.change), database, db.Config{MaxConns: 2})
			h.log.mayBreakTheDocument = true
			c := call{Method: http.MethodGet, Path: test.path}
			if test.token != "" {
				c.Token = h.token(test.token)
			}
			got := h.do(c)
			assert.Equal(t, http.StatusInternalServerError, got.Status, "%s", got.Raw)
			assert.Equal(t, map[string]any{
				"type": "/problems/internal", "title": "Internal error", "status": 500.0, "requestId": got.Header.Get("X-Request-ID"),
			}, got.JSON, "a fault of ours says nothing but its request id")
			assert.Empty(t, got.Header.Get("ETag"), "what was not sent leaves no header")
			assert.Contains(t, h.log.String(), test.reason)
			assert.NotContains(t, h.log.String(), "Asha", "a reason has no values")
			assert.Contains(t, h.metrics(), `rollcall_responses_validated_total{valid="false"} 1`)
		})
	}
}

func TestValidation_isNotThereWhenItIsOff(t *testing.T) {
	t.Parallel()
	broken := changed(t, func(d document3) { d.schema("Problem").Required = []string{"cause"} })
	h := newHarnessOf(t, broken, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 2},
		func(d *server.Dependencies) { d.ValidateResponses = false })
	assert.Equal(t, http.StatusNotFound, h.do(call{Method: http.MethodGet, Path: "/v1/nowhere"}).Status)
	assert.NotContains(t, h.metrics(), "rollcall_responses_validated_total")
}

// A deprecated operation says so on every answer, errors included; a page explains each type of problem.
func TestDeprecation_isSaidByEveryAnswer(t *testing.T) {
	t.Parallel()
	h := newHarnessOf(t, changed(t, func(d document3) {
		d.Operations["getStudent"].Deprecation = &contract.Deprecation{Since: day(2026, 11, 1), Sunset: day(2027, 5, 1)}
	}), dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 2})
	for _, token := range []string{h.token("admin"), ""} {
		got := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token})
		assert.Equal(t, "@1793491200", got.Header.Get("Deprecation"), "%d", got.Status)
		assert.Equal(t, "Sat, 01 May 2027 00:00:00 GMT", got.Header.Get("Sunset"), "%d", got.Status)
	}
	assert.Empty(t, h.do(call{Method: http.MethodGet, Path: "/v1/auth/session"}).Header.Get("Deprecation"))
}

func TestProblems_theTypeOfAnAnswerLeadsToItsPage(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	failed := h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: "none"})
	page := h.do(call{Method: http.MethodGet, Path: failed.get("type").(string), Header: map[string]string{"Accept": "text/html"}})
	assert.Equal(t, http.StatusOK, page.Status)
	assert.Contains(t, string(page.Raw), "<h1>401 Sign in first</h1>")
	assert.Equal(t, http.StatusOK, h.do(call{Method: http.MethodGet, Path: "/docs/problem.css"}).Status, "what the page loads")
	assert.Equal(t, http.StatusNotFound, h.do(call{Method: http.MethodGet, Path: "/problems/nosuch"}).Status)
}

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

// document3 is a document to be changed for a test.
type document3 struct{ *contract.Contract }

func (d document3) responses() *openapi3.Responses { return d.Operations["getStudent"].Spec.Responses }

func (d document3) ok() *openapi3.Response { return d.responses().Value("200").Value }

func (d document3) schema(name string) *openapi3.Schema {
	return d.Document.Components.Schemas[name].Value
}

func (d document3) property(schema, name string) *openapi3.Schema {
	return d.schema(schema).Properties[name].Value
}

// changed is a document of the test's own, with a change.
func changed(t *testing.T, change func(document3)) *contract.Contract {
	t.Helper()
	c, err := contract.Load()
	require.NoError(t, err)
	change(document3{c})
	return c
}
