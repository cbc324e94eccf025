package server_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestUser_isCreatedWithRolesAndSignsInWithTheFirstPassword(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := map[string]any{"email": "Leela@Demo.school", "firstName": "Leela", "lastName": "Das", "password": "nine blue kites over mysuru"}
	body["roles"] = give(oneRole(registrarRole), roleIn(frontOffice, lakeCampus))["roles"]
	got := h.as(demoUsers["admin"], http.MethodPost, "/v1/users", body)
	require.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	assert.Equal(t, "/v1/users/"+got.get("id").(string), got.Header.Get("Location"))
	read := h.as(demoUsers["admin"], http.MethodGet, got.Header.Get("Location"), nil)
	assert.Equal(t, got.JSON, read.JSON)

	in := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: map[string]any{"tenant": "demo", "email": "leela@demo.school", "password": "nine blue kites over mysuru"}})
	require.Equal(t, http.StatusOK, in.Status)
	assert.Equal(t, []any{"Front Office", "registrar"}, in.get("user", "roles"))
	assert.Equal(t, []any{"academic:read", "attendance:mark", "attendance:read", "exams:read", "students:admit", "students:read", "students:write"}, in.get("user", "permissions"))
}

func TestUser_aFirstPasswordIsHeldToTheSameRules(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for password, code := range map[string]string{"elevenchars": "minLength", "Password1234!": "common", "leela@demo.school": "common", "LeelaDas 2026": "common"} {
		got := h.as(demoUsers["admin"], http.MethodPost, "/v1/users", map[string]any{"email": "leela@demo.school", "firstName": "Leela", "lastName": "Das", "password": password})
		assert.Equal(t, []fault{{"password", code}}, got.faults(), password)
	}
	assert.Zero(t, h.count("users", "first_name = 'Leela' and last_name = 'Das'"))
}

func TestUser_deactivatingEndsAllSessionsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tokens := []string{h.token("teacher"), h.token("teacher")}
	path := "/v1/users/" + demoUsers["teacher"]
	got := h.as(demoUsers["admin"], http.MethodPatch, path, map[string]any{"isActive": false})
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	assert.Equal(t, false, got.get("isActive"))
	assert.Zero(t, h.count("sessions", "user_id = $1 and ended_at is null", demoUsers["teacher"]))
	got = h.as(demoUsers["admin"], http.MethodPatch, path, map[string]any{"isActive": true})
	require.Equal(t, http.StatusOK, got.Status)
	for _, token := range tokens {
		assert.Equal(t, http.StatusUnauthorized, h.session(token).Status, "being active again wakes no old session")
	}
}

func TestUser_sessionsAreSeenAndEndedByWhoMayWriteUsers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.signIn("phone")
	path := "/v1/users/" + demoUsers["teacher"] + "/sessions"
	listed := h.as(demoUsers["admin"], http.MethodGet, path, nil)
	require.Len(t, listed.list("data"), 1)
	assert.Equal(t, []any{"phone", false}, []any{listed.get("data", 0, "userAgent"), listed.get("data", 0, "isCurrent")})
	session := "/" + listed.get("data", 0, "id").(string)
	assert.Equal(t, http.StatusNotFound, h.as(demoUsers["admin"], http.MethodDelete, "/v1/users/"+demoUsers["guardian"]+"/sessions"+session, nil).Status, "it is not the guardian's")
	assert.Equal(t, http.StatusOK, h.session(token).Status)
	assert.Equal(t, http.StatusNoContent, h.as(demoUsers["admin"], http.MethodDelete, path+session, nil).Status)
	assert.Equal(t, http.StatusUnauthorized, h.session(token).Status)
}

func TestUsers_listFindsByTextRoleAndState(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.userWith(assigned{roleID: frontOffice, institution: lakeCampus}, assigned{roleID: frontOffice})
	h.db.Exec(t, `update `+h.schema()+`.users set is_active = false where id = $1`, demoUsers["guardian"])
	for query, total := range map[string]int{
		"": 316, "roleId=" + adminRole: 1, "roleId=" + frontOffice: 1, "roleId=" + asha: 0, "isActive=false": 1, "isActive=true": 315,
		"q=REGISTRAR@demo": 1, "q=" + url.QueryEscape("asha  verma"): 1, "q=verma": 2, "q=" + url.QueryEscape("%"): 0, "q=verma&isActive=true": 1,
		"q=kapoor&roleId=" + registrarRole: 1, "q=kapoor&roleId=" + adminRole: 0,
	} {
		got := h.as(demoUsers["admin"], http.MethodGet, "/v1/users?"+query, nil)
		assert.EqualValues(t, total, got.get("page", "total"), "%s: %s", query, got.Raw)
		assert.Len(t, got.list("data"), min(total, 20), query)
	}
	seen := map[any]int{}
	for path := "/v1/users?limit=7"; path != ""; {
		got := h.as(demoUsers["admin"], http.MethodGet, path, nil)
		for i := range got.list("data") {
			seen[got.get("data", i, "id")]++
		}
		next, more := got.get("page", "nextCursor").(string)
		path = "/v1/users?limit=7&cursor=" + next
		if !more {
			path = ""
		}
	}
	assert.Len(t, seen, 316)
}

// clerk is somebody who may change users and roles but holds other things not, or not everywhere.
func (h *harness) clerk() string {
	h.t.Helper()
	return h.userWith(
		assigned{roleID: h.role("Clerk", contract.ReachInstitutions, "users:read", "users:write", "roles:read", "roles:write", "academic:read")},
		assigned{roleID: h.role("Campus clerk", contract.ReachInstitutions, "students:read"), institution: lakeCampus},
	)
}

func TestGiving_nobodyGivesWhatTheyDoNotHoldAsWidely(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	clerk, other := h.clerk(), h.userWith()
	roles := func(body any) answer { return h.as(clerk, http.MethodPut, "/v1/users/"+other+"/roles", body) }
	newRole := func(permissions ...string) answer {
		return h.as(clerk, http.MethodPost, "/v1/roles", map[string]any{"name": "New", "permissions": permissions, "reach": "sections"})
	}
	own := h.role("Own", contract.ReachInstitutions, "academic:read")
	before := h.digest()
	for name, got := range map[string]answer{
		"admin":                              roles(give(oneRole(adminRole))),
		"admin of one institution":           roles(give(roleIn(adminRole, lakeCampus))),
		"to oneself":                         h.as(clerk, http.MethodPut, "/v1/users/"+clerk+"/roles", give(oneRole(adminRole))),
		"a role held in one institution":     roles(give(oneRole(frontOffice))),
		"the same, in another one":           roles(give(roleIn(frontOffice, mainCampus))),
		"to somebody new":                    h.as(clerk, http.MethodPost, "/v1/users", map[string]any{"email": "n@example.org", "firstName": "N", "lastName": "N", "roles": give(oneRole(adminRole))["roles"]}),
		"by a role with what is not held":    newRole("academic:read", "attendance:mark", "attendance:read", "exams:read", "students:admit"),
		"by a role with what is held partly": newRole("students:read"),
		"by widening a role":                 h.as(clerk, http.MethodPatch, "/v1/roles/"+own, map[string]any{"permissions": []string{"academic:read", "academic:write"}}),
	} {
		assert.Equal(t, http.StatusForbidden, got.Status, "%s: %s", name, got.Raw)
		assert.Contains(t, got.get("detail"), ":", "%s: the permission is named", name)
	}
	assert.Equal(t, before, h.digest(), "something was written")
	assert.Equal(t, http.StatusOK, roles(give(roleIn(frontOffice, lakeCampus), oneRole(own))).Status, "what is held as widely")
	assert.Equal(t, http.StatusCreated, newRole("academic:read").Status)
}

func TestGiving_whatAUserHasAlreadyMayStay(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	reader := h.role("Reader", contract.ReachInstitutions, "academic:read")
	got := h.as(h.clerk(), http.MethodPut, "/v1/users/"+demoUsers["registrar"]+"/roles", give(oneRole(registrarRole), oneRole(reader)))
	assert.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
}

func TestAdministrator_theLastOneStays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	admin := "/v1/users/" + demoUsers["admin"]
	own := h.role("Principal", contract.ReachInstitutions, "users:read", "users:write", "roles:read", "roles:write")
	h.administratorsThatDoNotCount(own)
	refused := func(got answer, why string) {
		t.Helper()
		assert.Equal(t, http.StatusConflict, got.Status, "%s: %s", why, got.Raw)
	}
	refused(h.as(demoUsers["admin"], http.MethodPut, admin+"/roles", give()), "all roles taken")
	refused(h.as(demoUsers["admin"], http.MethodPut, admin+"/roles", give(roleIn(adminRole, mainCampus))), "limited to one institution")
	refused(h.as(demoUsers["admin"], http.MethodPatch, admin, map[string]any{"isActive": false}), "deactivated")

	head := h.userWith(assigned{roleID: own})
	require.Equal(t, http.StatusOK, h.as(head, http.MethodPut, admin+"/roles", give()).Status, "another one is left")
	refused(h.as(head, http.MethodPatch, "/v1/roles/"+own, map[string]any{"permissions": []string{"users:read", "users:write", "roles:read"}}), "the role loses a permission")
	refused(h.as(head, http.MethodPatch, "/v1/roles/"+own, map[string]any{"reach": "sections"}), "the role reaches less far")
	refused(h.as(head, http.MethodDelete, "/v1/roles/"+own, nil), "the role is deleted")
}

// administratorsThatDoNotCount cannot sign in, or do not reach the whole school group.
func (h *harness) administratorsThatDoNotCount(role string) {
	h.t.Helper()
	h.userWith(assigned{roleID: role, institution: lakeCampus})
	inactive, mute := h.userWith(assigned{roleID: role}), h.userWith(assigned{roleID: role})
	h.db.Exec(h.t, `update `+h.schema()+`.users set is_active = false where id = $1`, inactive)
	h.db.Exec(h.t, `update `+h.schema()+`.users set password_hash = null where id = $1`, mute)
}

func TestAdministrator_twoWhoRemoveEachOtherAtOnceLeaveOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for range 5 {
		other := h.userWith(assigned{role: "admin"})
		ways := []func(by, whom string) answer{
			func(by, whom string) answer { return h.as(by, http.MethodPut, "/v1/users/"+whom+"/roles", give()) },
			func(by, whom string) answer {
				return h.as(by, http.MethodPatch, "/v1/users/"+whom, map[string]any{"isActive": false})
			},
		}
		var both sync.WaitGroup
		both.Go(func() { ways[0](demoUsers["admin"], other) })
		both.Go(func() { ways[1](other, demoUsers["admin"]) })
		both.Wait()
		left := h.count("users u", `u.is_active and u.password_hash is not null and exists (select from `+h.schema()+`.user_roles a where a.user_id = u.id and a.role = 'admin')`)
		assert.EqualValues(t, 1, left)
		h.db.Exec(t, `delete from `+h.schema()+`.user_roles where role = 'admin'`)
		h.db.Exec(t, `update `+h.schema()+`.users set is_active = true`)
		h.db.Exec(t, `insert into `+h.schema()+`.user_roles (user_id, role) values ($1, 'admin')`, demoUsers["admin"])
	}
}

// A change of roles concerns the user's own row: an admission never waits for it, nor it for one.
func TestUser_aChangeOfRolesKeepsNoAdmissionWaiting(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	busy := h.db.Conn(t)
	_, err := busy.Exec(t.Context(), `begin; set search_path to `+h.schema()+`; select version from role_changes for update;
		insert into user_roles (user_id, role) values ('`+demoUsers["teacher"]+`', 'registrar')`)
	require.NoError(t, err)
	start := time.Now()
	got := h.admit(admission("N-1", nil))
	assert.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	assert.Less(t, time.Since(start), 2*time.Second, "the lock timeout")
	assert.Equal(t, http.StatusOK, h.session(h.token("teacher")).Status, "nor does it keep the user waiting")
}
