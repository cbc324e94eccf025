package contract_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/contract/bind"
)

var loaded = sync.OnceValues(contract.Load)

// document is the project's own contract.
func document(t testing.TB) *contract.Contract {
	t.Helper()
	c, err := loaded()
	require.NoError(t, err)
	return c
}

func operation(t testing.TB, id string) *contract.Operation {
	t.Helper()
	op := document(t).Operations[id]
	require.NotNil(t, op, "no operation %s", id)
	return op
}

func get(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.RawQuery = query
	return r
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// refusal is the error that a request was refused with.
func refusal(t testing.TB, err error) *apperr.Error {
	t.Helper()
	require.Error(t, err)
	e, ok := errors.AsType[*apperr.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// faults are the faults of a refused request, each as "in field code".
func faults(t testing.TB, err error) []string {
	t.Helper()
	e := refusal(t, err)
	require.Equal(t, apperr.Invalid, e.Kind, "%v", err)
	var list []string
	for _, f := range e.Fields {
		list = append(list, fmt.Sprintf("%s %s %s", f.In, f.Field, f.Code))
	}
	return list
}

// boundBody does what the generated handler does with a checked body.
func boundBody[T any](t testing.TB, r *http.Request) T {
	t.Helper()
	body, ok := r.Body.(interface{ ValidatedValue() any })
	require.True(t, ok, "the body carries no validated value")
	var target T
	require.NoError(t, bind.Value(body.ValidatedValue(), &target))
	return target
}

// object is a body under construction.
type object = map[string]any

// admission is a good body of admitStudent, with what changes in it; a nil removes a member.
func admission(changes object) object {
	body := object{
		"firstName": "Diya", "lastName": "D'Souza", "admissionNumber": "2026-101",
		"institutionId":  "01900000-0000-7000-8000-000000000101",
		"academicYearId": "01900000-0000-7000-8000-000000000201",
		"classId":        "01900000-0000-7000-8000-000000000302",
		"sectionId":      "01900000-0000-7000-8000-000000000403",
	}
	for name, value := range changes {
		if value == nil {
			delete(body, name)
		} else {
			body[name] = value
		}
	}
	return body
}

func text(t testing.TB, body any) string {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	return string(raw)
}

// admit checks an admission.
func admit(t testing.TB, changes object) (*http.Request, error) {
	t.Helper()
	r := post(text(t, admission(changes)))
	return r, operation(t, "admitStudent").Check(r, nil)
}
