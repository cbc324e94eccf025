package contract_test

import (
	"io"
	"strings"
	"testing"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/contract/bind"
)

// fullAdmission says everything that can be said: 20 fields and two guardians.
func fullAdmission() object {
	return admission(object{
		"rollNumber": 31, "dateOfBirth": "2016-08-15", "gender": "female", "email": "Diya.DSouza@Example.org",
		"phone": "+91 98450 12345", "aadharNumber": "123412341234", "admissionDate": "2026-06-01",
		"address": "7 Church Street, Bengaluru", "bloodGroup": "B+",
		"guardians": []any{
			object{"firstName": "Maria", "lastName": "D'Souza", "relationship": "mother", "email": "maria@example.org", "isPrimary": true},
			object{"firstName": "Peter", "lastName": "D'Souza", "relationship": "father"},
		},
		"customFields": object{"house": "Kaveri", "bus": 4, "allergies": []any{"peanuts"}},
	})
}

// plainAdmission is one without guardians and fields of a school's own: 13 fields.
func plainAdmission() object {
	return admission(object{
		"dateOfBirth": "2016-08-15", "gender": "female", "email": "diya.dsouza@example.org", "phone": "+91 98450 12345",
		"admissionDate": "2026-06-01", "address": "7 Church Street, Bengaluru",
	})
}

// BenchmarkCheckAdmission is all that happens between the bytes of a body and the handler's struct.
func BenchmarkCheckAdmission(b *testing.B) {
	op := operation(b, "admitStudent")
	for name, body := range map[string]string{"plain": text(b, plainAdmission()), "full": text(b, fullAdmission())} {
		b.Run(name, func(b *testing.B) {
			r := post("")
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r.Body, r.ContentLength, r.URL.RawQuery = io.NopCloser(strings.NewReader(body)), int64(len(body)), ""
				if err := op.Check(r, nil); err != nil {
					b.Fatal(err)
				}
				var target api.StudentAdmission
				if err := bind.Value(r.Body.(interface{ ValidatedValue() any }).ValidatedValue(), &target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheckList(b *testing.B) {
	op := operation(b, "listStudents")
	r := get("")
	b.ReportAllocs()
	for b.Loop() {
		r.URL.RawQuery = "q=asha&limit=50&classId=01900000-0000-7000-8000-000000000302&status=active"
		if err := op.Check(r, nil); err != nil {
			b.Fatal(err)
		}
	}
}
