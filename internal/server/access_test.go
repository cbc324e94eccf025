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
	assert.Equal(t, http.StatusOK, h.do(session).Status)
}

func TestAccess_everyRoleMayDoExactlyWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	checked := 0
	for _, role := range h.contract.Roles() {
		held := h.contract.PermissionsOf([]string{role})
		token := h.token(role)
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
			permitted := op.Permission == "" || slices.Contains(held, op.Permission)
			assert.Equal(t, permitted, got.Status != http.StatusForbidden, "%s as %s: %d", id, role, got.Status)
			assert.Less(t, got.Status, 500)
			checked++
		}
	}
	t.Logf("operation x role: %d pairs, all as declared", checked)
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
