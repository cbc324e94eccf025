package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// FuzzDecode holds Decode to two promises: it never panics, and what it accepts
// means the same to encoding/json.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		admission, "", " ", "null", `{"a":1,"\u0061":2}`, `"\ud800"`, `"\ud83d\ude00"`, `"\u0000"`, "\"\xff\"",
		"\ufeff{}", `{}{}`, `[1e999999999,-0,0.10,1E+2]`, `{"":{"~/":[[]]}}`, `[1,]`, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := strictjson.Decode(data)
		if err != nil {
			checkRefusal(t, data, err)
			return
		}
		if diff := cmp.Diff(standard(t, data), got); diff != "" {
			t.Fatalf("encoding/json differs (-want +got):\n%s", diff)
		}
	})
}

func checkRefusal(t *testing.T, data []byte, err error) {
	t.Helper()
	var e *strictjson.SyntaxError
	if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
		t.Fatalf("incomplete error %#v", err)
	}
	if e.Offset < 0 || e.Offset > int64(len(data)) {
		t.Fatalf("offset %d of %d bytes", e.Offset, len(data))
	}
	if e.Code == strictjson.CodeMalformed && json.Valid(data) {
		t.Fatalf("valid JSON called malformed: %q", data)
	}
}

func standard(t *testing.T, data []byte) any {
	t.Helper()
	if !json.Valid(data) {
		t.Fatalf("accepted what encoding/json refuses: %q", data)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
