package student

import (
	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/seal"
)

// SealedAadhar is a national id as it is stored; the zero value is none.
type SealedAadhar struct {
	Sealed, Digest []byte
	Last4          *string
}

// SealAadhar seals a 12-digit number for one student. The digest is the tenant's own, so that equal numbers of two
// tenants cannot be told to be equal.
func SealAadhar(box *seal.Box, tenant, student uuid.UUID, number *string) SealedAadhar {
	if number == nil {
		return SealedAadhar{}
	}
	last4 := (*number)[len(*number)-4:]
	return SealedAadhar{
		Sealed: box.Seal(*number, "students.aadhar "+tenant.String()+" "+student.String()),
		Digest: box.Digest(*number, "students.aadhar "+tenant.String()),
		Last4:  &last4,
	}
}

// maskedAadhar shows the last four digits.
func maskedAadhar(last4 *string) *string {
	if last4 == nil {
		return nil
	}
	masked := "XXXXXXXX" + *last4
	return &masked
}
