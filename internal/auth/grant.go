package auth

import (
	"slices"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Grant is one assignment of a role, with what the role permits now.
type Grant struct {
	Role        string
	Permissions []string // declared ones, sorted
	Reach       contract.Reach
	Institution *uuid.UUID // what the assignment is limited to; nil is no limit
	RequiresMFA bool
}

// Grants are all of a user's assignments. They are shared by requests: nobody changes them.
type Grants []Grant

// Roles are the names of the roles, sorted, each once.
func (g Grants) Roles() []string {
	names := make([]string, len(g))
	for i, grant := range g {
		names[i] = grant.Role
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Permissions are what the roles permit together, sorted, each once.
func (g Grants) Permissions() []string {
	all := []string{} // not nil: JSON shall say [] and not null
	for _, grant := range g {
		all = append(all, grant.Permissions...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// May reports whether a permission is held, on whatever rows. The empty permission asks for nothing.
func (g Grants) May(permission string) bool {
	return permission == "" || slices.ContainsFunc(g, func(grant Grant) bool { return grant.permits(permission) })
}

// RequiresMFA reports whether one of the roles asks for a second factor.
func (g Grants) RequiresMFA() bool {
	return slices.ContainsFunc(g, func(grant Grant) bool { return grant.RequiresMFA })
}

// visibility is on which rows a user holds a permission. What needs no permission concerns the account alone, not the
// rows that visibility is about.
func (g Grants) visibility(permission string, user uuid.UUID) db.Visibility {
	v := db.Visibility{All: permission == ""}
	for _, grant := range g {
		switch {
		case !grant.permits(permission):
		case grant.Reach == contract.ReachSections:
			v.TeacherOf = user
		case grant.Reach == contract.ReachStudents:
			v.GuardianOf = user
		case grant.Institution != nil:
			v.Institutions = append(v.Institutions, *grant.Institution)
		default:
			v.All = true
		}
	}
	return v
}

func (g Grant) permits(permission string) bool {
	_, found := slices.BinarySearch(g.Permissions, permission)
	return found
}

// grantsOf understands the rows of a user's assignments. A built-in role that the document no longer has grants nothing.
func grantsOf(c *contract.Contract, rows []gendb.GrantsOfRow) Grants {
	grants := Grants{}
	for _, row := range rows {
		if row.Role == nil {
			grants = append(grants, Grant{
				Role: *row.Name, Permissions: c.Declared(row.Permissions), Reach: contract.Reach(*row.Reach),
				Institution: row.InstitutionID, RequiresMFA: *row.RequiresMfa,
			})
		} else if role, known := c.Role(*row.Role); known {
			grants = append(grants, Grant{
				Role: role.Name, Permissions: role.Permissions, Reach: role.Reach,
				Institution: row.InstitutionID, RequiresMFA: role.RequiresMFA,
			})
		}
	}
	return grants
}
