package contract_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func TestCheck_normalisesNames(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"<script>alert(1)</script>Asha": "Asha",
		"<b>Asha</b>":                   "Asha",
		"Asha<img src=x onerror=y>":     "Asha",
		"<<b>i>x":                       "x",
		"O'Brien":                       "O'Brien",
		"D'Souza & Sons":                "D'Souza & Sons",
		"José":                          "José",
		"Jose\u0301":                    "José",
		"李雷":                            "李雷",
		"ஆஷா":                           "ஆஷா",
		"क्\u200dष":                     "क्\u200dष",
		"Mary-Jane  van  der Berg ":     "Mary-Jane van der Berg",
		"\u202eahsA\u202c":              "ahsA",
		"\u2066Asha\u2069\u200f":        "Asha",
		"As\u0007ha\u200b\ufeff":        "Asha",
		"\tAsha\nVerma ":                "Asha Verma",
		"3 < 4":                         "3 < 4",
	} {
		r, err := admit(t, object{"firstName": sent})
		require.NoError(t, err, sent)
		assert.Equal(t, want, boundBody[api.StudentAdmission](t, r).FirstName, "%q", sent)
	}
}

func TestCheck_judgesAStringByItsNormalForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes object
		want    []string
	}{
		"a blank name is empty":            {object{"firstName": "   "}, []string{"body firstName minLength"}},
		"a name of markup alone is empty":  {object{"firstName": "<b></b>"}, []string{"body firstName minLength"}},
		"a name of bidi controls is empty": {object{"firstName": "\u202e\u202c"}, []string{"body firstName minLength"}},
		"a name is measured in characters": {object{"firstName": strings.Repeat("李", 101)}, []string{"body firstName maxLength"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := admit(t, test.changes)
			assert.Equal(t, test.want, faults(t, err))
		})
	}
	for name, changes := range map[string]object{
		"spaces around do not count":       {"firstName": strings.Repeat(" ", 200) + strings.Repeat("李", 100)},
		"decomposed letters count as one":  {"firstName": strings.Repeat("e\u0301", 100)},
		"spaces around an Aadhaar number":  {"aadharNumber": " 123412341234 "},
		"spaces around an e-mail address":  {"email": " diya@example.org "},
		"more than one space in the phone": {"phone": "+91  98450   12345"},
	} {
		_, err := admit(t, changes)
		require.NoError(t, err, name)
	}
}

func TestCheck_lowersEMailAddresses(t *testing.T) {
	t.Parallel()
	r, err := admit(t, object{"email": " Diya.DSouza@EXAMPLE.org"})
	require.NoError(t, err)
	assert.Equal(t, "diya.dsouza@example.org", *boundBody[api.StudentAdmission](t, r).Email)
}

func TestCheck_leavesASecretAsItIs(t *testing.T) {
	t.Parallel()
	const password = "  <b>Jose\u0301</b>  "
	r := post(text(t, object{"tenant": " DEMO ", "email": "A@Example.org", "password": password}))
	require.NoError(t, operation(t, "login").Check(r, nil))
	got := boundBody[api.LoginRequest](t, r)
	assert.Equal(t, password, got.Password)
	assert.Equal(t, "demo", got.Tenant)
}

func TestCheck_uniqueBy(t *testing.T) {
	t.Parallel()
	const number = "students[1].admissionNumber"
	for name, test := range map[string]struct {
		first, second object
		want          []string
	}{
		"the same number in one institution": {object{}, object{}, []string{"body " + number + " unique"}},
		"the same number, otherwise spelt":   {object{}, object{"admissionNumber": " 2026-101 "}, []string{"body " + number + " unique"}},
		"the same number elsewhere": {
			object{}, object{"institutionId": "01900000-0000-7000-8000-000000000102"}, nil,
		},
		"the same e-mail address in capitals": {
			object{"email": "a@example.org"},
			object{"admissionNumber": "2", "email": "A@EXAMPLE.org"},
			[]string{"body students[1].email unique"},
		},
		"no e-mail address twice": {object{}, object{"admissionNumber": "2"}, nil},
		"a null twice is its own fault": {
			object{"email": json.RawMessage("null")},
			object{"admissionNumber": "2", "email": json.RawMessage("null")},
			[]string{"body students[0].email nullable", "body students[1].email nullable"},
		},
		"the same roll number, otherwise spelt": {
			object{"rollNumber": 7},
			object{"admissionNumber": "2", "rollNumber": json.Number("7.0")},
			[]string{"body students[1].rollNumber unique"},
		},
		"together with another fault": {
			object{},
			object{"email": "none", "rollNumber": 0},
			[]string{"body students[1].email format", "body students[1].rollNumber minimum", "body " + number + " unique"},
		},
		"two keys of one item": {
			object{"email": "a@example.org"},
			object{"email": "a@example.org"},
			[]string{"body " + number + " unique", "body students[1].email unique"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := post(text(t, object{"students": []any{admission(test.first), admission(test.second)}}))
			err := operation(t, "admitStudents").Check(r, nil)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, test.want, faults(t, err))
		})
	}
}

func TestCheck_notFuture(t *testing.T) {
	t.Parallel()
	day := func(ahead time.Duration) string { return time.Now().UTC().Add(ahead).Format(time.DateOnly) }
	for _, good := range []string{"1999-12-31", day(-24 * time.Hour), day(0)} {
		_, err := admit(t, object{"dateOfBirth": good})
		require.NoError(t, err, good)
	}
	for _, bad := range []string{day(48 * time.Hour), "2999-01-01", "9999-12-31"} {
		_, err := admit(t, object{"dateOfBirth": bad})
		assert.Equal(t, []string{"body dateOfBirth future"}, faults(t, err), bad)
	}
	_, err := admit(t, object{"admissionDate": "2999-01-01"})
	require.NoError(t, err, "only where the document says so")
}

func TestCheck_boundsAnOpenObject(t *testing.T) {
	t.Parallel()
	nested := func(levels int) any {
		value := any("x")
		for range levels {
			value = object{"a": value}
		}
		return value
	}
	many := object{}
	for i := range 51 {
		many[fmt.Sprint(i)] = i
	}
	// {"a":"..."} is eight bytes and the text.
	for name, test := range map[string]struct {
		value any
		want  []string
	}{
		"16 KiB":             {object{"a": strings.Repeat("x", 16384-8)}, nil},
		"one byte more":      {object{"a": strings.Repeat("x", 16384-7)}, []string{"body customFields maxBytes"}},
		"three levels":       {nested(3), nil},
		"four levels":        {nested(4), []string{"body customFields maxDepth"}},
		"four, in a list":    {object{"a": []any{1, []any{[]any{}}}}, []string{"body customFields maxDepth"}},
		"51 names":           {many, []string{"body customFields maxProperties"}},
		"a name of any kind": {object{"isAdmin": true, "0": 1, "a/b": nil}, nil},
		"a list":             {[]any{}, []string{"body customFields type"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := admit(t, object{"customFields": test.value})
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, test.want, faults(t, err))
		})
	}
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	c := document(t)
	check := func(name, raw string, path ...any) error {
		_, err := c.CheckSchema(name, []byte(raw), path...)
		return err
	}
	require.NoError(t, check("CustomFields", `{"house":"Ganga"}`))

	err := check("CustomFields", `{"a":{"a":{"a":{}}}}`, "customFields")
	assert.Equal(t, []string{"body customFields maxDepth"}, faults(t, err))

	err = check("GuardianInput", `{"firstName":"A","relationship":"king"}`, "students", 3, "guardians", 0)
	e := refusal(t, err)
	assert.Equal(t, []string{
		"body students[3].guardians[0].relationship enum", "body students[3].guardians[0].lastName required",
	}, faults(t, err))
	assert.Equal(t, "/students/3/guardians/0/relationship", e.Fields[0].Pointer)

	value, err := c.CheckSchema("GuardianInput", []byte(`{"firstName":" Maria ","lastName":"B","relationship":"mother"}`))
	require.NoError(t, err)
	assert.Equal(t, object{"firstName": "Maria", "lastName": "B", "relationship": "mother", "isPrimary": false}, value,
		"the value comes back as it is to be used")

	assert.Equal(t, apperr.Invalid, apperr.KindOf(check("CustomFields", `{`)))
	assert.Equal(t, apperr.Internal, apperr.KindOf(check("NoSuch", `{}`)), "a fault of ours")
}
