package server_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// Who may do what, operation by operation, as the document declares it. New operations are in here by themselves.

func TestAccess_everyOperationRefusesWhoIsNotSignedIn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ended := h.token("admin")
	require.Equal(t, http.StatusNoContent, h.do(call{Method: http.MethodPost, Path: "/v1/auth/logout", Token: ended}).Status)
	h.db.Exec(t, `insert into `+h.schema()+`.users (id, first_name, last_name, is_active) values ('01900000-0000-7000-8000-00000000dead', 'A', 'B', false)`)
	good := h.token("admin")
	credentials := map[string]string{
		"none": "", "garbage": "garbage", "empty parts": "rc1..", "unknown secret": auth.NewToken(seed.DemoTenant).String(),
		"unknown tenant": auth.NewToken(uuid.Must(uuid.NewV7())).String(), "another tenant": auth.NewToken(seed.Demo2Tenant).String(),
		"ended": ended, "expired": h.tokenIn(seed.DemoTenant, demoUsers["admin"], -time.Minute),
		"inactive user": h.tokenIn(seed.DemoTenant, "01900000-0000-7000-8000-00000000dead", time.Hour),
		"lengthened":    good + "A", "tenant in capitals": "RC1" + good[3:],
	}
	for id, op := range h.contract.Operations {
		for name, token := range credentials {
			if op.Public {
				continue
			}
			c := h.callFor(op, shape{}, nil)
			c.Token = token
			got := h.do(c)
			assert.Equal(t, http.StatusUnauthorized, got.Status, "%s with %s", id, name)
			assert.NotEmpty(t, got.Header.Get("WWW-Authenticate"))
		}
	}
	for _, scheme := range []string{"Basic " + good, good, "Bearer", "bearer  " + good} {
		got := h.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Header: map[string]string{"Authorization": scheme}})
		assert.Equal(t, http.StatusUnauthorized, got.Status, scheme)
	}
}

func TestAccess_aTokenOfOneTenantIsNothingInAnother(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	forged := "rc1." + seed.Demo2Tenant.String() + token[len("rc1.")+36:]
	assert.Equal(t, http.StatusUnauthorized, h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: forged}).Status)

	own := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token})
	other := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: h.tokenIn(seed.Demo2Tenant, demoUsers["admin"], time.Hour)})
	assert.Equal(t, "Asha", own.get("firstName"))
	assert.Equal(t, "Bruno", other.get("firstName"), "the same id is another person in the other tenant")
}

func TestAccess_aSuspendedTenantsSessionsEndAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	session := call{Method: http.MethodGet, Path: "/v1/auth/session", Token: token}
	require.Equal(t, http.StatusOK, h.do(session).Status)
	require.NoError(t, h.db.Registry().Suspend(t.Context(), seed.DemoTenant))
	assert.Equal(t, http.StatusUnauthorized, h.do(session).Status)
	require.NoError(t, h.db.Registry().Resume(t.Context(), seed.DemoTenant))
	assert.Equal(t, http.StatusUnauthorized, h.do(session).Status, "being open again wakes no old session")
	fresh := h.signIn("phone")
	assert.Equal(t, http.StatusOK, h.session(fresh).Status)
	require.NoError(t, h.db.Registry().Resume(t.Context(), seed.DemoTenant))
	assert.Equal(t, http.StatusOK, h.session(fresh).Status, "resuming an active one ends nothing")
	sessions := h.do(call{Method: http.MethodGet, Path: "/v1/auth/sessions", Token: fresh})
	assert.Len(t, sessions.list("data"), 1, "the old ones are not listed either")
}

// holder is a user with one role, for the matrix of roles and operations.
type holder struct {
	name, user  string
	permissions []string
	wholeTenant bool // holds them in all institutions
}

// holders are users of every kind: each built-in role, roles of the school's own, and assignments limited to one
// institution.
func (h *harness) holders() []holder {
	h.t.Helper()
	var all []holder
	var every []string
	for _, r := range h.contract.Roles() {
		reaches := r.Reach == contract.ReachInstitutions
		all = append(all, holder{r.Name, demoUsers[r.Name], r.Permissions, reaches})
		if reaches {
			all = append(all, holder{r.Name + " of one institution", h.userWith(assigned{role: r.Name, institution: mainCampus}), r.Permissions, false})
			every = append(every, r.Permissions...)
		}
	}
	for permission := range h.contract.Permissions {
		id := h.role("Only "+permission, contract.ReachInstitutions, permission)
		all = append(all,
			holder{"only " + permission, h.userWith(assigned{roleID: id}), []string{permission}, true},
			holder{"only " + permission + " in one institution", h.userWith(assigned{roleID: id, institution: mainCampus}), []string{permission}, false})
	}
	for _, reach := range []contract.Reach{contract.ReachSections, contract.ReachStudents} {
		all = append(all, holder{"all on " + string(reach), h.userWith(assigned{roleID: h.role("All "+string(reach), reach, every...)}), every, false})
	}
	undeclared := h.role("Undeclared", contract.ReachInstitutions, "gone:read")
	return append(all, holder{"undeclared", h.userWith(assigned{roleID: undeclared}), nil, true}, holder{"no role", h.userWith(), nil, false})
}

func TestAccess_everyRoleMayDoExactlyWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	checked, allowed := 0, 0
	for _, who := range h.holders() {
		token := h.tokenIn(seed.DemoTenant, who.user, time.Hour)
		for id, op := range h.contract.Operations {
			if op.Public || id == "logout" {
				continue
			}
			c := h.callFor(op, shape{}, nil)
			c.Token = token
			if op.Spec.RequestBody != nil {
				c.Body = `{"nonsense":1}` // refused by whoever may call it: nothing changes
			}
			got := h.do(c)
			permitted := op.Permission == "" || slices.Contains(who.permissions, op.Permission) && (who.wholeTenant || !op.WholeTenant)
			assert.Equal(t, permitted, got.Status != http.StatusForbidden, "%s as %s: %d", id, who.name, got.Status)
			assert.Less(t, got.Status, 500)
			checked++
			if permitted {
				allowed++
			}
		}
	}
	t.Logf("operation x role: %d pairs, %d of them allowed, all as declared", checked, allowed)
}

func TestAccess_wrongSignInsAllGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.db.Exec(t, `update `+h.schema()+`.users set is_active = false where id = $1`, demoUsers["teacher"])
	attempts := map[string]map[string]any{
		"wrong password": {"tenant": "demo", "email": "admin@demo.school", "password": "wrong"},
		"unknown user":   {"tenant": "demo", "email": "nobody@demo.school", "password": "wrong"},
		"unknown tenant": {"tenant": "nosuch", "email": "admin@demo.school", "password": "wrong"},
		"inactive user":  {"tenant": "demo", "email": "teacher@demo.school", "password": seed.DemoPassword},
		"no password":    {"tenant": "demo", "email": "asha.verma@demo.school", "password": "wrong"},
	}
	var first map[string]any
	for name, body := range attempts {
		got := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body})
		assert.Equal(t, http.StatusUnauthorized, got.Status, name)
		problem := got.JSON.(map[string]any)
		delete(problem, "requestId")
		if first == nil {
			first = problem
		}
		assert.Equal(t, first, problem, name)
	}
}

// What needs no permission is not limited to the rows that somebody may see, so it must be about the caller alone.
func TestAccess_onlyTheCallersOwnAccountNeedsNoPermission(t *testing.T) {
	t.Parallel()
	c, err := document()
	require.NoError(t, err)
	for id, op := range c.Operations {
		if op.Permission == "" {
			assert.Equal(t, "auth", op.Tag, id)
		}
	}
}

// sanity: the matrix above is only worth something if the operations it walks are the document's.
func TestAccess_everyOperationIsPublicOrAsksForSomething(t *testing.T) {
	t.Parallel()
	c, err := document()
	require.NoError(t, err)
	public := []string{}
	for id, op := range c.Operations {
		if op.Public {
			public = append(public, id)
		}
	}
	assert.Equal(t, []string{"login"}, public, "a new public operation must be meant: add it here")
	assert.NotEmpty(t, c.Operations["admitStudent"].Permission)
}
