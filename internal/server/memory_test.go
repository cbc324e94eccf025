package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// tries is how often each way of losing a session, or a right, is tried.
const tries = 200

// newSession makes a session that begins now.
func (h *harness) newSession(user string) (token, id string) {
	h.t.Helper()
	made, session := auth.NewToken(seed.DemoTenant), uuid.Must(uuid.NewV7())
	h.db.Exec(h.t, `insert into `+h.schema()+`.sessions (id, user_id, token_hash, transport, expires_at, factor_at)
		values ($1, $2, $3, $4, now() + interval '1 hour', now())`, session, user, made.Hash(), string(api.TransportBearer))
	return made.String(), session.String()
}

// deaf is another instance, whose memory believes to hear of changes and does not: it must find them out by itself.
func (h *harness) deaf() *harness {
	h.t.Helper()
	elsewhere := dbtest.New(h.t).URL
	other := newHarnessOn(h.t, h.db, db.Config{MaxConns: 2}, func(d *server.Dependencies) {
		d.Memory = newMemory(h.t, server.NewMetrics(), elsewhere)
	})
	other.awaitMemory()
	return other
}

func (h *harness) awaitMemory() {
	h.t.Helper()
	require.Eventually(h.t, h.memory.Hears, 20*time.Second, time.Millisecond)
}

// ways are how a session, or what it may do, ends on one instance, and what undoes that for the next try.
func ways(h *harness, admin string) map[string]struct {
	end, undo func(session string)
	want      int
} {
	registrar := demoUsers["registrar"]
	path := "/v1/users/" + registrar
	do := func(want int, method, path string, body any) {
		h.t.Helper()
		got := h.do(call{Method: method, Path: path, Token: admin, Body: body})
		require.Equal(h.t, want, got.Status, "%s", got.Raw)
	}
	var hash string
	nothing := func(string) {}
	return map[string]struct {
		end, undo func(session string)
		want      int
	}{
		"the session is revoked": {func(session string) { do(204, http.MethodDelete, path+"/sessions/"+session, nil) }, nothing, 401},
		"the password is changed": {func(string) {
			hash = dbtest.Value[string](h.t, h.db, `select password_hash from `+h.schema()+`.users where id = $1`, registrar)
			token, _ := h.newSession(registrar)
			require.Equal(h.t, http.StatusOK, h.changePassword(token, "seven chairs in the north hall").Status)
		}, func(string) {
			h.db.Exec(h.t, `update `+h.schema()+`.users set password_hash = $1 where id = $2`, hash, registrar)
		}, 401},
		"the user is deactivated": {
			func(string) { do(200, http.MethodPatch, path, map[string]any{"isActive": false}) },
			func(string) { do(200, http.MethodPatch, path, map[string]any{"isActive": true}) }, 401,
		},
		"the tenant is suspended": {
			func(string) { require.NoError(h.t, h.db.Registry().Suspend(h.t.Context(), seed.DemoTenant)) },
			func(string) { require.NoError(h.t, h.db.Registry().Resume(h.t.Context(), seed.DemoTenant)) }, 401,
		},
		"the role is taken away": {
			func(string) { do(200, http.MethodPut, path+"/roles", give()) },
			func(string) { do(200, http.MethodPut, path+"/roles", give(oneRole(registrarRole))) }, 403,
		},
		"a second factor is required": {
			func(string) { requireMFA(h, true) }, func(string) { requireMFA(h, false) }, 403,
		},
	}
}

func requireMFA(h *harness, required bool) {
	h.t.Helper()
	require.NoError(h.t, h.db.Registry().Update(h.t.Context(), seed.DemoTenant, tenant.Change{RequireMFA: &required}))
}

// What ends on one instance has ended for the very next request on another one, even where that remembers the session and has not
// heard of it: for a read and for a write.
func TestMemory_whatEndsOnOneInstanceHasEndedOnEveryOther(t *testing.T) {
	t.Parallel()
	for name := range ways(&harness{t: t}, "") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			other := h.deaf()
			admin, _ := h.newSession(demoUsers["admin"])
			way := ways(h, admin)[name]
			before := h.count("students", "true")
			for i := range tries {
				token, session := h.newSession(demoUsers["registrar"])
				read := call{Method: http.MethodGet, Path: "/v1/students?limit=1", Token: token}
				write := call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: admission(fmt.Sprint("M-", i), nil)}
				require.Equal(t, http.StatusOK, other.do(read).Status)
				require.Equal(t, http.StatusOK, other.do(read).Status, "remembered")
				way.end(session)
				next := []call{read, write}[i%2]
				require.Equal(t, way.want, other.do(next).Status, "try %d", i)
				way.undo(session)
			}
			assert.Equal(t, before, h.count("students", "true"))
		})
	}
}

// A read, and a list with its total, are one exchange with the database where the session is remembered, and two where it is not.
func TestMemory_savesTheRoundTripOfTheSession(t *testing.T) {
	t.Parallel()
	trips := &dbtest.RoundTrips{}
	h := newHarness(t)
	proxied := newHarnessOn(t, h.db, db.Config{MaxConns: 1, URL: trips.Proxy(t, h.db.URL)})
	proxied.awaitMemory()
	for _, path := range []string{"/v1/students/" + asha, "/v1/students?limit=20"} {
		token, _ := h.newSession(demoUsers["registrar"])
		read := func() {
			require.Equal(t, http.StatusOK, proxied.do(call{Method: http.MethodGet, Path: path, Token: token}).Status)
		}
		for range 3 { // then all statements are known, and the session is remembered
			read()
		}
		remembered := trips.During(read)
		token, _ = h.newSession(demoUsers["registrar"])
		asked := trips.During(read)
		t.Logf("round trips of GET %s: %d, and %d where the session is not remembered", path, remembered, asked)
		assert.EqualValues(t, 1, remembered)
		assert.EqualValues(t, 2, asked)
	}
}

// What is heard of in time is not even presumed.
func TestMemory_isHit(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.awaitMemory()
	token, session := h.newSession(demoUsers["registrar"])
	read := call{Method: http.MethodGet, Path: "/v1/students?limit=1", Token: token}
	require.Equal(t, http.StatusOK, h.do(read).Status)
	require.Equal(t, http.StatusOK, h.do(read).Status)
	metrics := string(h.do(call{Method: http.MethodGet, Path: "/metrics"}).Raw)
	assert.Contains(t, metrics, `rollcall_session_cache_total{result="hit"} 1`)
	assert.Contains(t, metrics, `rollcall_session_cache_total{result="miss"} 1`)
	h.db.Exec(t, `update `+h.schema()+`.sessions set ended_at = now() where id = $1`, session)
	invalid := call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: "{}"}
	require.Eventually(t, func() bool { return h.do(invalid).Status == http.StatusUnauthorized }, time.Second, time.Millisecond,
		"also for what is answered without a transaction")
}
