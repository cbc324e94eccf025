package seal

import "github.com/google/uuid"

// Column is a column of a tenant's tables whose values are sealed, each for a place that names the tenant. So they have to be sealed
// anew where they come to be another tenant's.
type Column struct {
	Table, Name string
	Key         string // the column of the uuid that the place names besides
	Place       func(tenant, key uuid.UUID) string
	// DigestName is the column with the value's digest in the domain; empty: none.
	DigestName string
	Domain     func(tenant uuid.UUID) string
}
