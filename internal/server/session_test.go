package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

func (h *harness) session(token string) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Token: token})
}

// signIn signs in through the API.
func (h *harness) signIn(userAgent string) string {
	h.t.Helper()
	body := map[string]any{"tenant": "demo", "email": "teacher@demo.school", "password": seed.DemoPassword}
	got := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body, Header: map[string]string{"User-Agent": userAgent}})
	require.Equal(h.t, http.StatusOK, got.Status, "%s", got.Raw)
	return got.get("token").(string)
}

func TestSession_theOwnerSeesAndEndsSessions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	phone, laptop := h.signIn("phone"), h.signIn("laptop")
	list := call{Method: http.MethodGet, Path: "/v1/auth/sessions", Token: laptop}
	got := h.do(list)
	require.Len(t, got.list("data"), 2)
	assert.Equal(t, []any{"laptop", true}, []any{got.get("data", 0, "userAgent"), got.get("data", 0, "isCurrent")}, "the latest first")
	assert.Equal(t, []any{"phone", false}, []any{got.get("data", 1, "userAgent"), got.get("data", 1, "isCurrent")})
	assert.Equal(t, "127.0.0.1", got.get("data", 1, "remoteAddress"))

	revoke := call{Method: http.MethodDelete, Path: "/v1/auth/sessions/" + got.get("data", 1, "id").(string), Token: laptop}
	assert.Equal(t, http.StatusNoContent, h.do(revoke).Status)
	assert.Equal(t, http.StatusUnauthorized, h.session(phone).Status, "its next request is refused")
	assert.Equal(t, http.StatusNoContent, h.do(revoke).Status, "ending it again changes nothing")
	assert.Len(t, h.do(list).list("data"), 1)

	revoke.Token = h.token("admin")
	assert.Equal(t, http.StatusNotFound, h.do(revoke).Status, "another user's session is not there, even for an administrator")
}

func TestSession_anUnusedOneEndsAndAUsedOneGoesOn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	idleFor := func(interval string) {
		h.db.Exec(t, `update `+h.schema()+`.sessions set last_used_at = now() - $1::text::interval where ended_at is null`, interval)
	}
	idleFor("59 minutes")
	require.Equal(t, http.StatusOK, h.session(token).Status)
	age := dbtest.Value[float64](t, h.db, `select extract(epoch from now() - max(last_used_at))::float8 from `+h.schema()+`.sessions where ended_at is null`)
	assert.Less(t, age, time.Minute.Seconds(), "being used, it starts counting anew")
	idleFor("61 minutes")
	assert.Equal(t, http.StatusUnauthorized, h.session(token).Status)
}

func TestSession_evenAUsedOneEndsAfterItsLifetime(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	assert.Equal(t, http.StatusUnauthorized, h.session(h.tokenIn(seed.DemoTenant, demoUsers["admin"], -time.Second)).Status)
}

func TestPassword_changingItEndsEverySessionAndGivesAFreshOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	here, elsewhere := h.token("admin"), h.token("admin")
	got := h.changePassword(here, "seven chairs in the north hall")
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	fresh := got.get("token").(string)
	assert.NotEqual(t, here, fresh)
	assert.Equal(t, http.StatusOK, h.session(fresh).Status)
	assert.Equal(t, http.StatusUnauthorized, h.session(here).Status, "the old token is dead")
	assert.Equal(t, http.StatusUnauthorized, h.session(elsewhere).Status)

	login := func(password string) int {
		return h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: map[string]any{"tenant": "demo", "email": "admin@demo.school", "password": password}}).Status
	}
	assert.Equal(t, http.StatusUnauthorized, login(seed.DemoPassword))
	assert.Equal(t, http.StatusOK, login("seven chairs in the north hall"))
}

func (h *harness) changePassword(token, to string) answer {
	h.t.Helper()
	body := map[string]any{"currentPassword": seed.DemoPassword, "newPassword": to}
	return h.do(call{Method: http.MethodPost, Path: "/v1/auth/password", Token: token, Body: body})
}

func TestPassword_ofManyChangesAtOnceExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var succeeded, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 6 {
		token := h.token("admin")
		all.Go(func() {
			got := h.changePassword(token, fmt.Sprint("seven chairs in hall number ", i))
			switch got.Status {
			case http.StatusOK:
				succeeded.Add(1)
			case http.StatusConflict, http.StatusUnauthorized, http.StatusBadRequest:
				refused.Add(1)
			default:
				t.Errorf("status %d: %s", got.Status, got.Raw)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, succeeded.Load())
	assert.EqualValues(t, 5, refused.Load())
	assert.EqualValues(t, 1, h.count("sessions", "user_id = $1 and ended_at is null", demoUsers["admin"]), "the winner's")
}

func TestPassword_aSignInThatRacesAChangeGetsNoSessionOfTheOldPassword(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	change := h.db.Conn(t)
	_, err := change.Exec(t.Context(), `begin; update `+h.schema()+`.users set password_hash = 'another' where id = '`+demoUsers["teacher"]+`'`)
	require.NoError(t, err)
	signedIn := make(chan int, 1)
	go func() {
		body := map[string]any{"tenant": "demo", "email": "teacher@demo.school", "password": seed.DemoPassword}
		signedIn <- h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body}).Status
	}()
	// The old password has been compared, and the sign-in waits for the change. pg_locks would show other tests' databases too.
	waiting := `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
	require.Eventually(t, func() bool { return valueOf(t, h, waiting) > 0 }, 20*time.Second, 10*time.Millisecond)
	_, err = change.Exec(t.Context(), `commit`)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, <-signedIn)
	assert.Zero(t, h.count("sessions", "user_id = $1 and ended_at is null", demoUsers["teacher"]))
}
