package contract_test

import (
	"errors"
	"testing"

	"github.com/oapi-codegen/runtime"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// FuzzCheckBody: whatever is sent, the answer is a refusal that says why, or a value that the handler can bind.
func FuzzCheckBody(f *testing.F) {
	full := text(f, fullAdmission())
	for _, seed := range []string{
		full, text(f, admission(nil)), "", "{}", "null", "[]", `{"email":1}`, full + "x", `{"rollNumber":1e0}`, `{"":{}}`,
		`{"guardians":[{"isPrimary":null}]}`, `{"customFields":{"a":[[[[]]]]}}`, `{"firstName":"\u0000"}`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	op := operation(f, "admitStudent")
	f.Fuzz(func(t *testing.T, body []byte) {
		r := post(string(body))
		err := op.Check(r, nil)
		if err == nil {
			mustBind(t, r.Body)
			return
		}
		e, ok := errors.AsType[*apperr.Error](err)
		if !ok {
			t.Fatalf("%T: %v", err, err)
		}
		if e.Kind != apperr.Invalid && e.Kind != apperr.TooLarge {
			t.Fatalf("a bad body is %v: %v", e.Kind, err)
		}
		for _, field := range e.Fields {
			if field.Code == "" || field.Message == "" || field.In != apperr.Body || len(field.Field) > 250 {
				t.Fatalf("%+v", field)
			}
		}
	})
}

func mustBind(t *testing.T, body any) {
	t.Helper()
	value := body.(interface{ ValidatedValue() any }).ValidatedValue()
	var target api.StudentAdmission
	if err := runtime.BindJSONValue(value, &target); err != nil {
		t.Fatalf("accepted, and not to be bound: %v", err)
	}
	if target.FirstName == "" || target.Email != nil && *target.Email == "" {
		t.Fatalf("%+v", target)
	}
}
