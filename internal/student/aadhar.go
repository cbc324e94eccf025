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
		Sealed: box.Seal(*number, aadharPlace(tenant, student)),
		Digest: box.Digest(*number, aadharDomain(tenant)),
		Last4:  &last4,
	}
}

func aadharPlace(tenant, student uuid.UUID) string {
	return aadharDomain(tenant) + " " + student.String()
}

func aadharDomain(tenant uuid.UUID) string { return "students.aadhar " + tenant.String() }

// NationalID is the column of the national id.
var NationalID = seal.Column{
	Table: "students", Name: "aadhar_sealed", Key: "id", Place: aadharPlace, DigestName: "aadhar_digest", Domain: aadharDomain,
}

// Sealed are the columns of this package whose values are sealed.
var Sealed = []seal.Column{NationalID}

// maskedAadhar shows the last four digits.
func maskedAadhar(last4 *string) *string {
	if last4 == nil {
		return nil
	}
	masked := "XXXXXXXX" + *last4
	return &masked
}
