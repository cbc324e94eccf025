package contract

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
)

// Reach is how far a role goes: on which rows its permissions hold.
type Reach string

// The reaches.
const (
	ReachInstitutions Reach = "institutions" // all institutions, or the one that an assignment is limited to
	ReachSections     Reach = "sections"     // the sections that the user teaches, and their students
	ReachStudents     Reach = "students"     // the students that the user is a guardian of
)

var errNoRoleID = errors.New("has no id")

var reaches = []Reach{ReachInstitutions, ReachSections, ReachStudents}

// Role is a built-in role: the same in every tenant, and not to be changed.
type Role struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"-"`
	Description string    `json:"description"`
	Permissions []string  `json:"permissions"` // sorted
	Reach       Reach     `json:"reach"`
	RequiresMFA bool      `json:"requiresMfa"`
}

// Roles are the built-in roles, by name.
func (c *Contract) Roles() []Role {
	return slices.SortedFunc(maps.Values(c.roles), func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
}

// Role is a built-in role by its name.
func (c *Contract) Role(name string) (Role, bool) {
	role, found := c.roles[name]
	return role, found
}

// Declared are those of the permissions that the document declares, sorted and each once: what was stored before a
// permission went out of the document grants nothing.
func (c *Contract) Declared(permissions []string) []string {
	declared := []string{} // not nil: JSON shall say [] and not null
	for _, permission := range permissions {
		if _, ok := c.Permissions[permission]; ok {
			declared = append(declared, permission)
		}
	}
	slices.Sort(declared)
	return slices.Compact(declared)
}

func (c *Contract) readRoles() error {
	var raw map[string]json.RawMessage
	if err := extension(c.Document.Extensions, "x-roles", &raw); err != nil {
		return err
	}
	c.roles = map[string]Role{}
	ids := map[uuid.UUID]string{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		role, err := readRole(name, raw[name])
		if err != nil {
			return fmt.Errorf("x-roles: %s: %w", name, err)
		}
		if other, taken := ids[role.ID]; taken {
			return fmt.Errorf("x-roles: %s: has the id of %s", name, other)
		}
		ids[role.ID], c.roles[name] = name, role
	}
	return nil
}

func readRole(name string, raw json.RawMessage) (Role, error) {
	role := Role{Name: name}
	if err := json.Unmarshal(raw, &role); err != nil {
		return Role{}, err
	}
	if role.ID == uuid.Nil {
		return Role{}, errNoRoleID
	}
	if !slices.Contains(reaches, role.Reach) {
		return Role{}, fmt.Errorf("reach %q is none of %v", role.Reach, reaches)
	}
	slices.Sort(role.Permissions)
	return role, nil
}
