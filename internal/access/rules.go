package access

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// mostRoles is how many roles of its own a school group may have.
const mostRoles = 100

func holds(permissions []string, permission string) bool {
	return slices.Contains(permissions, permission)
}

// mayGive refuses to give what the giver does not hold as widely: in the same institution, or in all of them when there
// is no limit. A permission on one's sections or students can be given to nobody (OWASP ASVS 5.0, 8.2.1).
func mayGive(giver auth.Principal, permissions []string, institution *uuid.UUID) error {
	for _, permission := range permissions {
		if !covers(giver.Visibility(permission), institution) {
			return apperr.New(apperr.Forbidden, fmt.Sprintf("You do not hold the permission %s as widely as you would give it.", permission))
		}
	}
	return nil
}

func covers(v db.Visibility, institution *uuid.UUID) bool {
	return v.All || institution != nil && slices.Contains(v.Institutions, *institution)
}

// assignment is a role to be given.
type assignment struct {
	role

	institution *uuid.UUID
}

func (a assignment) same(b assignment) bool {
	return a.id == b.id && equal(a.institution, b.institution)
}

func equal(a, b *uuid.UUID) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// assignmentsOf understands what a request asks for, with all that is wrong in it.
func assignmentsOf(wanted []api.RoleAssignmentInput, roles map[uuid.UUID]role) ([]assignment, []apperr.Field) {
	var assignments []assignment
	var faults []apperr.Field
	for i, w := range wanted {
		known, found := roles[w.RoleId]
		a := assignment{known, w.InstitutionId}
		switch {
		case !found:
			faults = append(faults, apperr.BodyField("reference", "Does not exist", "roles", i, "roleId"))
		case a.institution != nil && known.reach != contract.ReachInstitutions:
			faults = append(faults, apperr.BodyField("reach", "The role reaches only "+string(known.reach)+"; it cannot be limited to an institution", "roles", i, "institutionId"))
		case slices.ContainsFunc(assignments, a.same):
			faults = append(faults, apperr.BodyField("unique", "Is given twice", "roles", i, "roleId"))
		}
		assignments = append(assignments, a)
	}
	return assignments, faults
}

// unknownPermissions reports what the document does not declare.
func unknownPermissions(c *contract.Contract, permissions []string) []apperr.Field {
	var faults []apperr.Field
	for i, permission := range permissions {
		if _, known := c.Permissions[permission]; !known {
			faults = append(faults, apperr.BodyField("reference", "Does not exist", "permissions", i))
		}
	}
	return faults
}
