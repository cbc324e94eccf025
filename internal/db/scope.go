package db

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Scope is the schema that a transaction runs in, and which of its rows are there for it.
type Scope struct {
	tenant  uuid.UUID
	visible *Visibility // nil: all rows
}

// Control is the schema of the tenant registry.
var Control = Scope{}

// Tenant is the schema of a tenant, with all its rows.
func Tenant(id uuid.UUID) Scope { return Scope{tenant: id} }

// Limited is the scope with only the rows that are visible. To a transaction the others do not exist: it cannot read,
// count, change or refer to them.
func (s Scope) Limited(v Visibility) Scope {
	s.visible = &v
	return s
}

// Reaches reports whether all rows of an institution are there, and not only those of a teacher or guardian.
func (s Scope) Reaches(institution uuid.UUID) bool {
	return s.visible == nil || s.visible.All || slices.Contains(s.visible.Institutions, institution)
}

// Visibility says which rows of a tenant are there for a transaction. The parts add up; the zero value sees nothing.
type Visibility struct {
	All          bool        // every row of the tenant
	Institutions []uuid.UUID // what belongs to these institutions
	TeacherOf    uuid.UUID   // the sections that this user is assigned to, and their students
	GuardianOf   uuid.UUID   // the students that this user is linked to
}

// SchemaName is the name of a tenant's schema and of the role that may use all its rows: t_ and the 32 hex digits of the
// id, so it is short, needs no quoting and cannot be chosen by anybody.
func SchemaName(tenant uuid.UUID) string { return "t_" + hex.EncodeToString(tenant[:]) }

// LimitedRole is the role for what a teacher or guardian sees of a tenant's schema.
func LimitedRole(schemaName string) string { return schemaName + "_limited" }

// InstitutionsRole is the role for what an institution has of a tenant's schema, and for what LimitedRole sees.
func InstitutionsRole(schemaName string) string { return schemaName + "_institutions" }

func (s Scope) seesAll() bool { return s.visible == nil || s.visible.All }

// view is what a transaction in a scope says of it: the schema, the role that sees the scope's rows, and the settings that the policies
// read, empty for nothing. In the control schema that is whoever connects.
type view struct{ schema, role, institutions, teacher, guardian string }

func (s Scope) view() view {
	if s == Control {
		return view{}
	}
	schema := SchemaName(s.tenant)
	if s.seesAll() {
		return view{schema: schema, role: schema}
	}
	v := s.visible
	role := LimitedRole(schema)
	if len(v.Institutions) > 0 {
		role = InstitutionsRole(schema)
	}
	return view{schema: schema, role: role, institutions: uuidArray(v.Institutions), teacher: orNone(v.TeacherOf), guardian: orNone(v.GuardianOf)}
}

// uuidArray is PostgreSQL's text of an array.
func uuidArray(ids []uuid.UUID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}

func orNone(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
