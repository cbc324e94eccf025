package server_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// Who may do what, operation by operation, as the document declares it. New operations are in here by themselves.

func TestAccess_everyOperationRefusesWhoIsNotSignedIn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.NoError(t, h.db.Registry().Suspend(t.Context(), seed.Demo2Tenant))
	operations, pairs, bypasses := 0, 0, 0
	for _, transport := range []api.Transport{api.TransportBearer, api.TransportCookie} {
		for name, token := range h.badCredentials(transport) {
			operations = 0
			for id, op := range h.contract.Operations {
				if op.Public {
					continue
				}
				got := h.do(h.callFor(op, shape{}, nil).with(token, transport))
				operations++
				pairs++
				if !assert.Equal(t, http.StatusUnauthorized, got.Status, "%s with %s as %s", id, name, transport) {
					bypasses++
				}
				assert.NotEmpty(t, got.Header.Get("WWW-Authenticate"))
			}
		}
	}
	require.Positive(t, operations)
	t.Logf("%d operations x %d credentials, %d bypasses", operations, pairs/operations, bypasses)
	good := h.token("admin")
	for _, scheme := range []string{"Basic " + good, good, "Bearer", "bearer  " + good} {
		got := h.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Header: map[string]string{"Authorization": scheme}})
		assert.Equal(t, http.StatusUnauthorized, got.Status, scheme)
	}
}

// badCredentials are tokens that sign in nobody with a transport.
func (h *harness) badCredentials(transport api.Transport) map[string]string {
	h.t.Helper()
	h.db.Exec(h.t, `insert into `+h.schema()+`.users (id, first_name, last_name, is_active)
		values ('01900000-0000-7000-8000-00000000dead', 'A', 'B', false) on conflict do nothing`)
	session := func(tenant uuid.UUID, user string, transport api.Transport, lifetime time.Duration) string {
		token := auth.NewToken(tenant)
		h.insertSession(token, user, transport, lifetime)
		return token.String()
	}
	other := map[api.Transport]api.Transport{api.TransportBearer: api.TransportCookie, api.TransportCookie: api.TransportBearer}[transport]
	good, ended := session(seed.DemoTenant, demoUsers["admin"], transport, time.Hour), session(seed.DemoTenant, demoUsers["admin"], transport, time.Hour)
	require.Equal(h.t, http.StatusOK, h.do(call{Method: http.MethodGet, Path: "/v1/auth/session"}.with(good, transport)).Status, "a good one is good")
	require.Equal(h.t, http.StatusNoContent, h.do(call{Method: http.MethodPost, Path: "/v1/auth/logout"}.with(ended, transport)).Status)
	return map[string]string{
		"none": "", "garbage": "garbage", "empty parts": "rc1..", "unknown secret": auth.NewToken(seed.DemoTenant).String(),
		"unknown tenant": auth.NewToken(uuid.Must(uuid.NewV7())).String(), "another tenant": "rc1." + seed.Demo2Tenant.String() + good[len("rc1.")+36:],
		"ended": ended, "expired": session(seed.DemoTenant, demoUsers["admin"], transport, -time.Minute),
		"inactive user":          session(seed.DemoTenant, "01900000-0000-7000-8000-00000000dead", transport, time.Hour),
		"suspended tenant":       session(seed.Demo2Tenant, demoUsers["admin"], transport, time.Hour),
		"of the other transport": session(seed.DemoTenant, demoUsers["admin"], other, time.Hour),
		"tenant is no UUID":      "rc1.demo." + good[len("rc1.")+37:], "legacy number": "rc1.42." + good[len("rc1.")+37:],
		"lengthened": good + "A", "prefix in capitals": "RC1" + good[3:],
	}
}

// with is the call signed in by a token. A page's call with a cookie says where it comes from and knows its session.
func (c call) with(token string, transport api.Transport) call {
	c.Token, c.Cookie = token, ""
	if transport == api.TransportCookie {
		c.Token, c.Cookie = "", token
		c.Header = map[string]string{"Sec-Fetch-Site": "same-origin"}
		if parsed, err := auth.ParseToken(token); err == nil {
			c.Header["X-CSRF-Token"] = parsed.CSRF()
		}
	}
	return c
}

// Half a sign-in: the password was given, and a second factor is asked for. Only what the document exempts answers.
func TestAccess_halfASignInOpensNothingButTheSecondFactor(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.secondFactor(demoUsers["admin"], true)
	h.secondFactor(demoUsers["registrar"], false)
	strict := h.role("Strict", contract.ReachInstitutions, slices.Collect(maps.Keys(h.contract.Permissions))...)
	h.db.Exec(t, `update `+h.schema()+`.roles set requires_mfa = true where id = $1`, strict)
	h.db.Exec(t, `insert into `+h.schema()+`.user_roles (user_id, role_id) values ($1, $2)`, demoUsers["registrar"], strict)
	require.NoError(t, h.db.Registry().Update(t.Context(), seed.Demo2Tenant, tenant.Change{RequireMFA: new(true)}))
	half := map[string]struct {
		tenant uuid.UUID
		user   string
	}{
		"has one": {seed.DemoTenant, demoUsers["admin"]}, "must have one by the role": {seed.DemoTenant, demoUsers["registrar"]},
		"must have one in the tenant": {seed.Demo2Tenant, demoUsers["admin"]},
	}
	operations, pairs, bypasses, exempt := 0, 0, 0, []string{}
	for id, op := range h.contract.Operations {
		if op.Public {
			continue
		}
		if op.MFAExempt {
			exempt = append(exempt, id)
		}
		operations++
		for name, who := range half {
			for _, transport := range []api.Transport{api.TransportBearer, api.TransportCookie} {
				token := auth.NewToken(who.tenant)
				h.insertSession(token, who.user, transport, time.Hour)
				h.db.Exec(t, `update `+db.SchemaName(who.tenant)+`.sessions set factor_at = null where token_hash = $1`, token.Hash())
				got := h.do(h.callFor(op, shape{}, nil).with(token.String(), transport))
				refused := got.Status == http.StatusForbidden && got.get("type") == "/problems/mfa-required"
				pairs++
				if !assert.Equal(t, !op.MFAExempt, refused, "%s of who %s: %d %s", id, name, got.Status, got.Raw) {
					bypasses++
				}
			}
		}
	}
	assert.ElementsMatch(t, []string{"getSession", "logout", "verifyMfa", "enrollMfa", "activateMfa"}, exempt, "a new exemption must be meant: add it here")
	t.Logf("%d operations x %d half sessions, %d bypasses", operations, pairs/operations, bypasses)
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
