package strictjson_test

import (
	"testing"

	"github.com/rollcall-erp/rollcall/internal/contract/strictjson"
)

// admission is about what a school sends to admit one student.
const admission = `{
  "admissionNumber": "ADM-2026-00417", "firstName": "Asha", "middleName": null, "lastName": "D'Souza",
  "dateOfBirth": "2014-05-23", "gender": "female", "bloodGroup": "B+", "nationality": "IN",
  "email": "asha.dsouza@example.org", "phone": "+919812345678", "aadharNumber": "999941057058",
  "classId": "01961b3e-7c1f-7a54-9a6b-0c2f6c1d9f10", "sectionId": "01961b3e-7c1f-7a54-9a6b-0c2f6c1d9f11",
  "academicYearId": "01961b3e-7c1f-7a54-9a6b-0c2f6c1d9f12", "rollNumber": 17, "transport": true, "fee": 12500.50,
  "address": {"line1": "12, MG Road", "city": "Pune", "state": "MH", "postalCode": "411001"},
  "guardians": [{"name": "Jos\u00e9 D'Souza", "relation": "father", "phone": "+919812345679"}],
  "languages": ["en", "hi", "mr"]
}`

func BenchmarkDecode(b *testing.B) {
	data := []byte(admission)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := strictjson.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
