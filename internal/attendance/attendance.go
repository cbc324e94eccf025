// Package attendance has the operations of the tag attendance: the register of a section and day, what was corrected in it,
// and what many registers say together.
//
// A register is a row with a version, and one mark a student. Taking and correcting it are the same: register.go reads what
// the day and the students allow (rules.go, on plain values), moves the register on from the version that it has seen, and
// writes all marks in one statement, which also keeps what each changed mark was before. Two who save at once see the same
// version, and only one moves it on.
//
// The queries are in queries/attendance.sql. Who sees which marks is not asked here: a teacher's and a guardian's
// transaction has no others (schema/tenant/00008_visibility.sql).
package attendance

import (
	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Handler has the operations of the tag attendance.
type Handler struct {
	DB *db.DB
}

// statusOf is a stored status, nil where there is none.
func statusOf(stored *string) *api.AttendanceStatus { return (*api.AttendanceStatus)(stored) }

// corrections are how often a mark of this version was changed; the first version is 1.
func corrections(version *int32) int32 {
	if version == nil {
		return 0
	}
	return *version - 1
}
