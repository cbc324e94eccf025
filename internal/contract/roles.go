package contract

import (
	"maps"
	"slices"
)

// PermissionsOf are the permissions that roles give together, sorted. An unknown role gives none.
func (c *Contract) PermissionsOf(roles []string) []string {
	set := map[string]bool{}
	for _, role := range roles {
		for _, permission := range c.roles[role] {
			set[permission] = true
		}
	}
	permissions := slices.AppendSeq([]string{}, maps.Keys(set)) // not nil: JSON shall say [] and not null
	slices.Sort(permissions)
	return permissions
}

// Roles are the names of the built-in roles, sorted.
func (c *Contract) Roles() []string { return slices.Sorted(maps.Keys(c.roles)) }
