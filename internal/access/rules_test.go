package access

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
)

var (
	north = uuid.MustParse("01900000-0000-7000-8000-000000000101")
	lake  = uuid.MustParse("01900000-0000-7000-8000-000000000102")
)

func TestMayGive_onlyWhatIsHeldAsWidely(t *testing.T) {
	t.Parallel()
	holder := func(reach contract.Reach, institution *uuid.UUID) auth.Principal {
		return auth.Principal{User: lake, Grants: auth.Grants{{Permissions: []string{"students:read"}, Reach: reach, Institution: institution}}}
	}
	for name, test := range map[string]struct {
		giver       auth.Principal
		permissions []string
		institution *uuid.UUID
		allowed     bool
	}{
		"all to all":                         {holder(contract.ReachInstitutions, nil), []string{"students:read"}, nil, true},
		"all to one":                         {holder(contract.ReachInstitutions, nil), []string{"students:read"}, &north, true},
		"one to the same":                    {holder(contract.ReachInstitutions, &north), []string{"students:read"}, &north, true},
		"one to another":                     {holder(contract.ReachInstitutions, &north), []string{"students:read"}, &lake, false},
		"one to all":                         {holder(contract.ReachInstitutions, &north), []string{"students:read"}, nil, false},
		"sections to all":                    {holder(contract.ReachSections, nil), []string{"students:read"}, nil, false},
		"sections to one":                    {holder(contract.ReachSections, nil), []string{"students:read"}, &north, false},
		"students to one":                    {holder(contract.ReachStudents, nil), []string{"students:read"}, &north, false},
		"what is not held":                   {holder(contract.ReachInstitutions, nil), []string{"students:write"}, nil, false},
		"one of two that is not held":        {holder(contract.ReachInstitutions, nil), []string{"students:read", "students:write"}, nil, false},
		"nothing, by somebody with nothing":  {auth.Principal{}, nil, nil, true},
		"something by somebody with nothing": {auth.Principal{}, []string{"students:read"}, &north, false},
	} {
		err := mayGive(test.giver, test.permissions, test.institution)
		if test.allowed {
			require.NoError(t, err, name)
			continue
		}
		assert.Equal(t, apperr.Forbidden, apperr.KindOf(err), name)
		assert.ErrorContains(t, err, test.permissions[len(test.permissions)-1], name)
	}
}

func TestAssignmentsOf_reportsEveryFault(t *testing.T) {
	t.Parallel()
	wide, narrow := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	roles := map[uuid.UUID]role{wide: {id: wide, reach: contract.ReachInstitutions}, narrow: {id: narrow, reach: contract.ReachStudents}}
	good := []api.RoleAssignmentInput{{RoleId: wide}, {RoleId: wide, InstitutionId: &north}, {RoleId: wide, InstitutionId: &lake}, {RoleId: narrow}}
	assignments, faults := assignmentsOf(good, roles)
	assert.Empty(t, faults)
	assert.Len(t, assignments, 4)

	sameNorth := north
	_, faults = assignmentsOf(append(good,
		api.RoleAssignmentInput{RoleId: uuid.Must(uuid.NewV7())}, api.RoleAssignmentInput{RoleId: narrow, InstitutionId: &north},
		api.RoleAssignmentInput{RoleId: narrow}, api.RoleAssignmentInput{RoleId: wide, InstitutionId: &sameNorth},
	), roles)
	got := map[string]string{}
	for _, f := range faults {
		got[f.Field] = f.Code
	}
	assert.Equal(t, map[string]string{
		"roles[4].roleId": "reference", "roles[5].institutionId": "reach", "roles[6].roleId": "unique", "roles[7].roleId": "unique",
	}, got)
}

func TestFold_knowsUpperAndLowerCaseOfAllScripts(t *testing.T) {
	t.Parallel()
	for one, other := range map[string]string{"Front Office": "FRONT office", "Élève": "ÉLÈVE", "Straße": "STRASSE", "ΔΆΣΚΑΛΟΣ": "δάσκαλος"} {
		assert.Equal(t, fold(one), fold(other))
	}
}
