package auth

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

var (
	me    = uuid.MustParse("01900000-0000-7000-8000-000000000001")
	north = uuid.MustParse("01900000-0000-7000-8000-000000000101")
	lake  = uuid.MustParse("01900000-0000-7000-8000-000000000102")
)

func TestVisibility_addsUpTheAssignmentsThatHoldThePermission(t *testing.T) {
	t.Parallel()
	grant := func(reach contract.Reach, institution *uuid.UUID, permissions ...string) Grant {
		return Grant{Permissions: permissions, Reach: reach, Institution: institution}
	}
	read := func(reach contract.Reach, institution *uuid.UUID) Grant {
		return grant(reach, institution, "students:read")
	}
	for name, test := range map[string]struct {
		grants Grants
		want   db.Visibility
	}{
		"no assignment":               {nil, db.Visibility{}},
		"another permission":          {Grants{grant(contract.ReachInstitutions, nil, "academic:read")}, db.Visibility{}},
		"all institutions":            {Grants{read(contract.ReachInstitutions, nil)}, db.Visibility{All: true}},
		"one institution":             {Grants{read(contract.ReachInstitutions, &north)}, db.Visibility{Institutions: []uuid.UUID{north}}},
		"two institutions":            {Grants{read(contract.ReachInstitutions, &north), read(contract.ReachInstitutions, &lake)}, db.Visibility{Institutions: []uuid.UUID{north, lake}}},
		"own sections":                {Grants{read(contract.ReachSections, nil)}, db.Visibility{TeacherOf: me}},
		"own children":                {Grants{read(contract.ReachStudents, nil)}, db.Visibility{GuardianOf: me}},
		"a teacher with a child":      {Grants{read(contract.ReachSections, nil), read(contract.ReachStudents, nil)}, db.Visibility{TeacherOf: me, GuardianOf: me}},
		"unlimited, of less matter":   {Grants{read(contract.ReachSections, nil), grant(contract.ReachInstitutions, nil, "academic:read")}, db.Visibility{TeacherOf: me}},
		"all, and one institution":    {Grants{read(contract.ReachInstitutions, &north), read(contract.ReachInstitutions, nil)}, db.Visibility{All: true, Institutions: []uuid.UUID{north}}},
		"sections in one institution": {Grants{read(contract.ReachSections, &north)}, db.Visibility{TeacherOf: me}},
	} {
		p := Principal{User: me, Grants: test.grants}
		assert.Equal(t, test.want, p.Visibility("students:read"), name)
	}
	assert.True(t, Principal{}.Visibility("").All, "what needs no permission concerns the account alone")
}

func TestGrants_mayWhatTheyHold(t *testing.T) {
	t.Parallel()
	g := Grants{
		{Role: "b", Permissions: []string{"academic:read", "students:read"}},
		{Role: "a", Permissions: []string{"students:read"}},
		{Role: "b", Permissions: []string{"academic:read", "students:read"}, RequiresMFA: true},
	}
	assert.True(t, g.May("academic:read"))
	assert.True(t, g.May(""), "nothing is asked for")
	assert.False(t, g.May("students:write"))
	assert.Equal(t, []string{"a", "b"}, g.Roles())
	assert.Equal(t, []string{"academic:read", "students:read"}, g.Permissions())
	assert.True(t, g.RequiresMFA())
	assert.False(t, g[:2].RequiresMFA())
	assert.Equal(t, []string{}, Grants(nil).Permissions(), "[] in JSON, not null")
	assert.False(t, Grants(nil).May("students:read"))
}

func TestGrantsOf_whatTheDocumentDoesNotDeclareGrantsNothing(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	grants := grantsOf(c, []gendb.GrantsOfRow{
		{Role: new("admin"), InstitutionID: &north},
		{Role: new("no longer built in")},
		{Name: new("Own"), Permissions: []string{"students:read", "gone:read"}, Reach: new("sections"), RequiresMfa: new(true)},
	})
	admin, _ := c.Role("admin")
	assert.Equal(t, Grants{
		{Role: "admin", Permissions: admin.Permissions, Reach: contract.ReachInstitutions, Institution: &north},
		{Role: "Own", Permissions: []string{"students:read"}, Reach: contract.ReachSections, RequiresMFA: true},
	}, grants)
}
