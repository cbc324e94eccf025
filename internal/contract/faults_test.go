package contract_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestCheck_reportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := admit(t, object{
		"lastName": nil, "admissionNumber": strings.Repeat("9", 51), "institutionId": "17", "rollNumber": 0,
		"dateOfBirth": "2999-01-01", "gender": "x", "email": "diya at example", "phone": "none",
		"aadharNumber": 123412341234, "firstName": "   ", "isAdmin": true, "address": nil,
		"guardians": []any{object{"lastName": "D'Souza", "relationship": "mother"}},
	})
	e := refusal(t, err)
	assert.Equal(t, "12 fields need attention.", e.Detail)
	field := func(name, pointer, code, message string) apperr.Field {
		return apperr.Field{In: apperr.Body, Field: name, Pointer: pointer, Code: code, Message: message}
	}
	assert.ElementsMatch(t, []apperr.Field{
		field("aadharNumber", "/aadharNumber", "type", "Must be a string"),
		field("admissionNumber", "/admissionNumber", "maxLength", "At most 50 characters"),
		field("email", "/email", "format", "Invalid email"),
		field("firstName", "/firstName", "minLength", "Must not be empty"),
		field("gender", "/gender", "enum", "Must be one of female male other undisclosed"),
		field("guardians[0].firstName", "/guardians/0/firstName", "required", "Required"),
		field("institutionId", "/institutionId", "format", "Invalid UUID"),
		field("isAdmin", "/isAdmin", "additionalProperties", "Unknown field"),
		field("phone", "/phone", "pattern", "Invalid format"),
		field("rollNumber", "/rollNumber", "minimum", "Must be at least 1"),
		field("lastName", "/lastName", "required", "Required"),
		field("dateOfBirth", "/dateOfBirth", "future", "Must not be in the future"),
	}, e.Fields)
}

func TestCheck_reportsFaultsOfParametersAndBodyTogether(t *testing.T) {
	t.Parallel()
	r := post(`{"name":""}`)
	r.URL.RawQuery = "dry=1"
	err := operation(t, "updateClass").Check(r, map[string]string{"classId": "5"})
	assert.Equal(t, []string{"query dry unknown", "path classId format", "body name minLength"}, faults(t, err))
}

func TestCheck_reportsFaultsInTheSameOrderEachTime(t *testing.T) {
	t.Parallel()
	changes := object{
		"lastName": nil, "rollNumber": 0, "email": "x", "phone": "x", "dateOfBirth": "2999-01-01", "b": 1, "a": 2, "c": 3,
		"customFields": object{"a": []any{[]any{[]any{[]any{}}}}},
	}
	_, err := admit(t, changes)
	first := faults(t, err)
	for range 20 {
		_, err := admit(t, changes)
		require.Equal(t, first, faults(t, err))
	}

	_, err = admit(t, object{
		"dateOfBirth": "2999-01-01", "rollNumber": json.Number("0.99999999999999999999"), "customFields": changes["customFields"],
	})
	assert.Equal(t, []string{"body customFields maxDepth", "body dateOfBirth future", "body rollNumber type"}, faults(t, err),
		"nor does it depend on how the document was read")
}

func TestCheck_namesThePlaceInALongList(t *testing.T) {
	t.Parallel()
	students := make([]any, 100)
	for i := range students {
		students[i] = admission(object{"admissionNumber": fmt.Sprint(i)})
	}
	students[36] = admission(object{"admissionNumber": "36", "email": "none"})
	students[99] = admission(object{"admissionNumber": "99", "guardians": []any{
		object{"firstName": "A", "lastName": "B", "relationship": "other"}, object{"firstName": "C", "relationship": "king"},
	}})
	students[7] = "nobody"
	r := post(text(t, object{"students": students}))
	e := refusal(t, operation(t, "admitStudents").Check(r, nil))
	places := map[string]string{}
	for _, f := range e.Fields {
		places[f.Field] = f.Pointer + " " + f.Code
	}
	assert.Equal(t, map[string]string{
		"students[7]":                            "/students/7 type",
		"students[36].email":                     "/students/36/email format",
		"students[99].guardians[1].lastName":     "/students/99/guardians/1/lastName required",
		"students[99].guardians[1].relationship": "/students/99/guardians/1/relationship enum",
	}, places)
}

func TestCheck_escapesUnknownNamesInPointers(t *testing.T) {
	t.Parallel()
	_, err := admit(t, object{"a/b~c": 1, "": 2, "0": 3, "ஆ.x": 4})
	e := refusal(t, err)
	places := map[string]string{}
	for _, f := range e.Fields {
		places[f.Field] = f.Pointer
	}
	assert.Equal(t, map[string]string{"": "/", "0": "/0", "a/b~c": "/a~1b~0c", "ஆ.x": "/ஆ.x"}, places)
}

func TestCheck_shortensUnknownNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 150) // 300 bytes
	_, err := admit(t, object{long: 1, strings.Repeat("x", 200): 2})
	e := refusal(t, err)
	require.Len(t, e.Fields, 2)
	assert.Equal(t, strings.Repeat("x", 200), e.Fields[0].Field, "200 bytes are kept")
	assert.Equal(t, strings.Repeat("é", 100)+"…", e.Fields[1].Field)
	assert.Equal(t, "/"+strings.Repeat("é", 100)+"…", e.Fields[1].Pointer)

	r := post(`{"` + long + `":1,"` + long + `":2}`)
	e = refusal(t, operation(t, "admitStudent").Check(r, nil))
	assert.Less(t, len(e.Fields[0].Field), 210, "a name that is there twice")
	assert.Less(t, len(e.Fields[0].Pointer), 210)
}

func TestCheck_neverRepeatsAValue(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry"
	wrong := object{
		"firstName": strings.Repeat(canary, 20), "admissionNumber": []any{canary}, "institutionId": canary,
		"rollNumber": canary, "dateOfBirth": canary, "gender": canary, "email": canary, "phone": canary,
		"aadharNumber": canary, "address": object{"x": canary}, "unknown": canary, "bloodGroup": canary,
		"customFields": object{"x": object{"x": object{"x": object{"x": canary}}}},
		"guardians":    []any{canary, object{"firstName": canary, "relationship": canary, "unknown": canary}},
		"lastName":     nil,
	}
	bodies := []string{
		text(t, admission(wrong)), `"` + canary + `"`, `["` + canary + `"]`, `{"email":"` + canary + `","email":"` + canary + `"}`,
		`{"email":"` + canary + `\u0000"}`, `{"email":"` + canary + "\xff\"}", `{"email":` + canary + `}`, canary,
		`{} ` + canary, `{"rollNumber":1e999` + strings.Repeat("0", 10) + `}`,
	}
	for _, body := range bodies {
		e := refusal(t, operation(t, "admitStudent").Check(post(body), nil))
		assert.NotContains(t, rendered(t, e), canary, body)
		assert.NotContains(t, e.Error(), canary, "nor does the log have it: %s", body)
	}
	query := "limit=" + canary + "&page=" + canary + "&sort=" + canary + "&classId=" + canary + "&status=" + canary +
		"&cursor=" + canary + ".&q=" + canary + "%ff&unknown=" + canary
	e := refusal(t, operation(t, "listStudents").Check(get(query), nil))
	assert.Len(t, e.Fields, 9)
	assert.NotContains(t, rendered(t, e), canary)
	assert.NotContains(t, e.Error(), canary)

	e = refusal(t, operation(t, "getStudent").Check(get(""), map[string]string{"studentId": canary}))
	assert.NotContains(t, rendered(t, e)+e.Error(), canary)
}

// rendered is everything of an error that a client may see.
func rendered(t *testing.T, e *apperr.Error) string {
	t.Helper()
	for _, f := range e.Fields {
		assert.NotEmpty(t, f.Message)
		assert.NotEmpty(t, f.Code)
	}
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	return string(raw)
}

// A body of a few kilobytes must not make an answer of megabytes, nor work that grows with its square.
func TestCheck_boundsTheFaultsOfOneBody(t *testing.T) {
	t.Parallel()
	var unknown strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&unknown, `"u%d":1,`, i)
	}
	for name, test := range map[string]struct {
		operation, body string
		most            int
	}{
		"unknown names": {"admitStudent", `{` + unknown.String() + `"u":1}`, contract.MostUnknown + 7},
		"unknown names further down": {
			"replaceGuardians", `{"guardians":[{` + unknown.String() + `"u":1}]}`, contract.MostUnknown + 3,
		},
		"items beyond the longest list": {
			"admitStudents", `{"students":[` + strings.Repeat("{},", 600_000) + `{}]}`, 1 + 101*7,
		},
		"items that are no objects":   {"admitStudents", `{"students":[` + strings.Repeat("1,", 900_000) + `1]}`, 1 + 101},
		"items of a list in a list":   {"admitStudent", `{"guardians":[` + strings.Repeat("{},", 20_000) + `{}]}`, 1 + 5*3 + 7},
		"names of an object that may": {"admitStudent", `{"customFields":{` + unknown.String() + `"u":1}}`, 2 + 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := map[string]string{"studentId": "01900000-0000-7000-8000-000000000601"}
			start := time.Now()
			e := refusal(t, operation(t, test.operation).Check(post(test.body), path))
			assert.LessOrEqual(t, len(e.Fields), test.most)
			assert.NotEmpty(t, e.Fields)
			assert.Less(t, time.Since(start), 10*time.Second, "it is done in milliseconds; the square takes minutes")
		})
	}
}

func TestCheck_stillRefusesWhatWasCut(t *testing.T) {
	t.Parallel()
	students := make([]any, 101)
	for i := range students {
		students[i] = admission(object{"admissionNumber": fmt.Sprint(i)})
	}
	err := operation(t, "admitStudents").Check(post(text(t, object{"students": students})), nil)
	assert.Equal(t, []string{"body students maxItems"}, faults(t, err))
	require.NoError(t, operation(t, "admitStudents").Check(post(text(t, object{"students": students[:100]})), nil))

	changes := object{}
	for i := range contract.MostUnknown + 1 {
		changes[fmt.Sprintf("u%02d", i)] = i
	}
	_, err = admit(t, changes)
	list := faults(t, err)
	require.Len(t, list, contract.MostUnknown)
	assert.Equal(t, "body u00 additionalProperties", list[0])
}

func TestBodyFaults_nameAnUnknownMemberOnce(t *testing.T) {
	t.Parallel()
	closed := openapi3.NewObjectSchema().WithoutAdditionalProperties()
	err := closed.VisitJSON(map[string]any{"a": 1, "b": 2, "c": 3}, openapi3.MultiErrors())
	assert.Len(t, contract.BodyFaults(err), 3)
}

func TestBodyFaults_takeNoErrorForNoFault(t *testing.T) {
	t.Parallel()
	assert.Empty(t, contract.BodyFaults(nil))
	assert.NotEmpty(t, contract.BodyFaults(errors.New("of a kind that is not known")))
}
