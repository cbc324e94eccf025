package contract_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/oapi-codegen/runtime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestCheck_formats(t *testing.T) {
	t.Parallel()
	for field, values := range map[string]struct{ good, bad []any }{
		"email": {
			good: []any{
				"diya@example.org", "d.souza+school@mail.example.org", "o'brien@example.ie", "a@b.co", "diya@bücher.example",
				"1234567890@example.com", "_@example.com", "diya@xn--bcher-kva.example", "आशा@example.in",
				strings.Repeat("l", 64) + "@example.org",
			},
			bad: []any{
				"", "diya", "diya@", "@example.org", "diya at example.org", "diya@example", "diya@example..org",
				".diya@example.org", "diya.@example.org", "di..ya@example.org", "diya@-example.org", "diya@example-.org",
				"diya@exam_ple.org", "diya@[127.0.0.1]", `"diya"@example.org`, `"d s"@example.org`, "Diya <diya@example.org>",
				"<diya@example.org>", "diya@example.org, ravi@example.org", "diya@@example.org", "diya(x)@example.org",
				"diya @example.org", "diya@exam ple.org", "diya@example.org.", strings.Repeat("l", 65) + "@example.org",
				"diya@" + strings.Repeat("l", 64) + ".org", "mailto:diya@example.org",
			},
		},
		"dateOfBirth": {
			good: []any{"2016-02-29", "2023-12-31", "1900-01-01"},
			bad: []any{
				"2023-02-30", "2023-02-29", "1900-02-29", "2023-13-01", "2023-00-10", "2023-04-31", "2023-1-1", "23-01-01",
				"2023/01/01", "01-01-2023", "2023-01-01T00:00:00Z", "2023-01-011", "", "today",
			},
		},
		"classId": {
			good: []any{"01900000-0000-7000-8000-000000000302", "01900000-0000-7000-8000-00000000ABCD"},
			bad: []any{
				"", "17", "0190000000007000800000000000030", "01900000000070008000000000000302",
				"{01900000-0000-7000-8000-000000000302}", "urn:uuid:01900000-0000-7000-8000-000000000302",
				"01900000-0000-7000-8000-00000000030g", "01900000-0000-7000-8000-000000000302 ",
			},
		},
	} {
		for _, good := range values.good {
			_, err := admit(t, object{field: good})
			require.NoError(t, err, "%s %q", field, good)
		}
		for _, bad := range values.bad {
			_, err := admit(t, object{field: bad})
			if assert.Error(t, err, "%s %q", field, bad) {
				assert.Equal(t, []string{"body " + field + " format"}, faults(t, err), "%q", bad)
			}
		}
	}
}

func TestCheck_refusesBodiesThatReadersReadDifferently(t *testing.T) {
	t.Parallel()
	good := strings.TrimSuffix(text(t, admission(nil)), "}")
	for name, test := range map[string]struct{ body, field, pointer, code string }{
		"nothing":                       {"", "", "", "empty"},
		"only white space":              {" \n", "", "", "empty"},
		"no JSON":                       {"firstName=Diya", "", "", "malformed"},
		"JSON that ends too early":      {good, "", "", "malformed"},
		"a second value":                {good + "}{}", "", "", "trailingData"},
		"bytes after the value":         {good + "}x", "", "", "trailingData"},
		"a name twice":                  {good + `,"email":"a@example.org","email":"b@example.org"}`, "email", "/email", "duplicateKey"},
		"a name twice, once escaped":    {good + `,"email":"a@example.org","\u0065mail":"b@example.org"}`, "email", "/email", "duplicateKey"},
		"a name twice, further down":    {good + `,"guardians":[{"email":"a","email":"b"}]}`, "guardians[0].email", "/guardians/0/email", "duplicateKey"},
		"a NUL":                         {good + `,"address":"a\u0000b"}`, "address", "/address", "nul"},
		"half of a surrogate pair":      {good + `,"address":"\ud800"}`, "address", "/address", "invalidUtf8"},
		"bytes that are no UTF-8":       {good + ",\"address\":\"\xff\"}", "address", "/address", "invalidUtf8"},
		"more levels than anyone needs": {good + `,"customFields":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", "", "", "depth"},
		"a byte order mark":             {"\ufeff" + good + "}", "", "", "malformed"},
		"a comment":                     {good + "/* */}", "", "", "malformed"},
		"NaN":                           {good + `,"rollNumber":NaN}`, "", "", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := refusal(t, operation(t, "admitStudent").Check(post(test.body), nil))
			require.Len(t, e.Fields, 1)
			assert.Equal(t, apperr.Invalid, e.Kind)
			assert.Equal(t, test.code, e.Fields[0].Code)
			assert.NotEmpty(t, e.Fields[0].Message)
			if test.field != "" {
				assert.Equal(t, test.field, e.Fields[0].Field)
				assert.Equal(t, test.pointer, e.Fields[0].Pointer)
			}
		})
	}
}

// counting counts the bytes that are read from it.
type counting struct {
	io.Reader
	read int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func TestCheck_bodyLimit(t *testing.T) {
	t.Parallel()
	op := operation(t, "login")
	require.Equal(t, int64(4096), op.MaxBodyBytes)
	for name, test := range map[string]struct {
		size, announced int64
		kind            apperr.Kind
		reads           int
	}{
		"one byte too many is refused before it is read":   {4097, 4097, apperr.TooLarge, 0},
		"far too many are refused before they are read":    {1 << 20, 1 << 20, apperr.TooLarge, 0},
		"one byte too many, unannounced, is refused":       {4097, -1, apperr.TooLarge, 4097},
		"far too many, unannounced, are not all read":      {1 << 20, -1, apperr.TooLarge, 4097},
		"more than is announced is not all read":           {1 << 20, 10, apperr.TooLarge, 4097},
		"a body of just the limit is read, and looked at":  {4096, 4096, apperr.Invalid, 4096},
		"one of just the limit, unannounced, is read also": {4096, -1, apperr.Invalid, 4096},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := post("")
			source := &counting{Reader: io.LimitReader(endless{}, test.size)}
			r.Body, r.ContentLength = io.NopCloser(source), test.announced
			assert.Equal(t, test.kind, refusal(t, op.Check(r, nil)).Kind)
			assert.Equal(t, test.reads, source.read)
		})
	}
}

// endless is a JSON string that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '"'
	}
	return len(p), nil
}

func TestCheck_bodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	r := post("")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{})), -1
	err := operation(t, "login").Check(r, nil)
	assert.Equal(t, apperr.Invalid, refusal(t, err).Kind)
	require.ErrorIs(t, err, errBroken, "the log has the cause")
}

var errBroken = errors.New("connection reset")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestCheck_contentType(t *testing.T) {
	t.Parallel()
	body := text(t, admission(nil))
	for value, good := range map[string]bool{
		"application/json": true, "Application/JSON": true, "application/json; charset=utf-8": true,
		`application/json;charset="UTF-8"`: true, "application/json; profile=x": true,
		"": false, "text/plain": false, "application/x-www-form-urlencoded": false, "application/jsonx": false,
		"application/merge-patch+json": false, "application/json; charset=utf-16": false, "application/json; charset=": false,
		"application/json; charset=latin1": false, "application/json;;": false, "*/*": false, "json": false, "a/b/c": false,
	} {
		r := post(body)
		r.Header.Set("Content-Type", value)
		err := operation(t, "admitStudent").Check(r, nil)
		if good {
			require.NoError(t, err, value)
			assert.Equal(t, "application/json", r.Header.Get("Content-Type"), "the handler compares it as it is")
			continue
		}
		e := refusal(t, err)
		assert.Equal(t, apperr.UnsupportedMediaType, e.Kind, value)
		assert.Equal(t, "Send the body as application/json.", e.Detail)
	}
}

func TestCheck_contentTypeOfAPatch(t *testing.T) {
	t.Parallel()
	path := map[string]string{"classId": "01900000-0000-7000-8000-000000000302"}
	for _, mediaType := range []string{"application/json", "application/merge-patch+json"} {
		r := post(`{"name":"V"}`)
		r.Header.Set("Content-Type", mediaType)
		require.NoError(t, operation(t, "updateClass").Check(r, path))
		assert.Equal(t, mediaType, r.Header.Get("Content-Type"))
	}
	r := post(`{"name":"V"}`)
	r.Header.Set("Content-Type", "text/html")
	e := refusal(t, operation(t, "updateClass").Check(r, path))
	assert.Equal(t, "Send the body as application/json or application/merge-patch+json.", e.Detail)
}

func TestCheck_refusesABodyWhereNoneIsTaken(t *testing.T) {
	t.Parallel()
	e := refusal(t, operation(t, "logout").Check(post("{}"), nil))
	assert.Equal(t, apperr.Invalid, e.Kind)
	assert.Equal(t, "This operation takes no body.", e.Detail)

	r := post("{}")
	r.ContentLength = -1
	assert.Equal(t, apperr.Invalid, refusal(t, operation(t, "logout").Check(r, nil)).Kind, "unannounced")

	for _, none := range []io.ReadCloser{nil, http.NoBody, io.NopCloser(strings.NewReader(""))} {
		r = post("")
		r.Body, r.ContentLength = none, 0
		require.NoError(t, operation(t, "logout").Check(r, nil))
	}
}

func TestCheck_knowsAWrongCasedNameAsAnother(t *testing.T) {
	t.Parallel()
	_, err := admit(t, object{"EMAIL": "a@example.org", "FirstName": "Ravi", "email": "b@example.org"})
	assert.Equal(t, []string{"body EMAIL additionalProperties", "body FirstName additionalProperties"}, faults(t, err))

	_, err = admit(t, object{"lastName": nil, "lastname": "D'Souza"})
	assert.Equal(t, []string{"body lastname additionalProperties", "body lastName required"}, faults(t, err))
}

func TestCheck_bindsTheValueThatWasValidated(t *testing.T) {
	t.Parallel()
	r, err := admit(t, object{
		"firstName": " <b>Diya</b>  Rani ", "email": "Diya@Example.ORG", "rollNumber": 31, "dateOfBirth": "2016-08-15",
		"gender": "female", "customFields": object{"bus": 4, "House": "Kaveri"},
		"guardians": []any{object{"firstName": "Maria", "lastName": "D'Souza", "relationship": "mother"}},
	})
	require.NoError(t, err)

	var want api.StudentAdmission
	require.NoError(t, json.Unmarshal([]byte(`{
		"firstName": "Diya Rani", "lastName": "D'Souza", "admissionNumber": "2026-101", "email": "diya@example.org",
		"rollNumber": 31, "dateOfBirth": "2016-08-15", "gender": "female", "overbook": false, "customFields": {"House":"Kaveri","bus":4},
		"institutionId": "01900000-0000-7000-8000-000000000101", "academicYearId": "01900000-0000-7000-8000-000000000201",
		"classId": "01900000-0000-7000-8000-000000000302", "sectionId": "01900000-0000-7000-8000-000000000403",
		"guardians": [{"firstName":"Maria","lastName":"D'Souza","relationship":"mother","isPrimary":false}]
	}`), &want))
	want.CustomFields = new(api.CustomFields(`{"House":"Kaveri","bus":4}`)) // as it was sent, without the spaces
	assert.Equal(t, want, boundBody[api.StudentAdmission](t, r))
}

func TestCheck_leavesNothingForASecondDecoder(t *testing.T) {
	t.Parallel()
	r, err := admit(t, nil)
	require.NoError(t, err)
	n, err := r.Body.Read(make([]byte, 10))
	assert.Zero(t, n)
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF, "an empty body would be a missing one")

	// The generated code falls back to encoding/json when a value does not fit its type.
	require.Error(t, runtime.BindJSONBody(r, new([]string)))
	require.NoError(t, r.Body.Close())
}

func TestCheck_numbers(t *testing.T) {
	t.Parallel()
	for spelling, want := range map[string]int32{
		"7": 7, "1.0": 1, "1e2": 100, "1E+2": 100, "10.00": 10, "9.999e3": 9999, "100e-2": 1,
	} {
		r, err := admit(t, object{"rollNumber": json.Number(spelling)})
		require.NoError(t, err, spelling)
		assert.Equal(t, want, *boundBody[api.StudentAdmission](t, r).RollNumber, spelling)
	}
	for spelling, code := range map[string]string{
		"0.99999999999999999999": "type", "1.5": "type", "1.00000000000000000000": "type", `"7"`: "type", "true": "type",
		"11e-1": "type", "1e999": "type", "0": "minimum", "-1": "minimum", "-0.0": "minimum", "10000": "maximum", "1e4": "maximum",
		"null": "nullable", "[7]": "type", "{}": "type",
	} {
		_, err := admit(t, object{"rollNumber": json.RawMessage(spelling)})
		if assert.Error(t, err, spelling) {
			assert.Equal(t, []string{"body rollNumber " + code}, faults(t, err), spelling)
		}
	}
	_, err := admit(t, object{"rollNumber": json.RawMessage("99999999999999999999")})
	assert.Contains(t, faults(t, err), "body rollNumber maximum")
}

func TestCheck_defaults(t *testing.T) {
	t.Parallel()
	r := post(`{"tenant":"demo","email":"a@example.org","password":"x"}`)
	require.NoError(t, operation(t, "login").Check(r, nil))
	assert.Equal(t, api.TransportBearer, *boundBody[api.LoginRequest](t, r).Transport, "a text")

	r = post(`{"name":"Hill","code":"HILL"}`)
	require.NoError(t, operation(t, "createInstitution").Check(r, nil))
	assert.True(t, *boundBody[api.InstitutionCreate](t, r).IsActive, "a truth value")

	r = post(`{"name":"Hill","code":"HILL","isActive":false}`)
	require.NoError(t, operation(t, "createInstitution").Check(r, nil))
	assert.False(t, *boundBody[api.InstitutionCreate](t, r).IsActive, "what is sent stays")

	r = post(`{"name":"Hill","code":"HILL","isActive":null}`)
	assert.Equal(t, []string{"body isActive nullable"}, faults(t, operation(t, "createInstitution").Check(r, nil)),
		"a null is no absent member")
}

func TestCheck_nullClearsWhatMayBeCleared(t *testing.T) {
	t.Parallel()
	r := post(`{"phone":null,"gender":null,"bloodGroup":null,"firstName":null}`)
	err := operation(t, "updateStudent").Check(r, map[string]string{"studentId": "01900000-0000-7000-8000-000000000601"})
	assert.Equal(t, []string{"body firstName nullable"}, faults(t, err))
}
