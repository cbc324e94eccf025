package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// page is a browser's page with a session that is a cookie.
type page struct {
	*harness

	cookie, csrf string
}

// openPage signs a demo user in as a page does; sent is what the request carries besides.
func (h *harness) openPage(role string, sent call) *page {
	h.t.Helper()
	sent.Method, sent.Path = http.MethodPost, "/v1/auth/login"
	sent.Body = map[string]any{"tenant": "demo", "email": role + "@demo.school", "password": seed.DemoPassword, "transport": "cookie"}
	got := h.do(sent)
	require.Equal(h.t, http.StatusOK, got.Status, "%s", got.Raw)
	p := &page{harness: h}
	p.take(got)
	return p
}

// take is what a browser and its page do with an answer that has a new token.
func (p *page) take(a answer) {
	p.t.Helper()
	p.cookie, p.csrf = sessionCookie(p.t, a).Value, a.get("csrfToken").(string)
}

func sessionCookie(t *testing.T, a answer) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: a.Header}).Cookies()
	require.Len(t, cookies, 1)
	return cookies[0]
}

func (p *page) send(method, path string, body any) answer {
	p.t.Helper()
	return p.do(call{Method: method, Path: path, Body: body, Cookie: p.cookie, Header: map[string]string{
		"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": p.csrf,
	}})
}

func (p *page) session() answer {
	p.t.Helper()
	return p.send(http.MethodGet, "/v1/auth/session", nil)
}

func TestCookie_isTheBrowsersAloneAndLastsAsLongAsTheSession(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := map[string]any{"tenant": "demo", "email": "teacher@demo.school", "password": seed.DemoPassword, "transport": "cookie"}
	got := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body})
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	assert.Nil(t, got.get("token"), "no script sees it")
	assert.NotContains(t, string(got.Raw), "rc1.")
	c := sessionCookie(t, got)
	assert.Equal(t, "__Host-rollcall", c.Name)
	assert.Equal(t, "/", c.Path)
	assert.Empty(t, c.Domain, "__Host- wants none")
	assert.True(t, c.Secure && c.HttpOnly)
	assert.Equal(t, http.SameSiteLaxMode, c.SameSite)
	expires, err := time.Parse(time.RFC3339, got.get("expiresAt").(string))
	require.NoError(t, err)
	assert.InDelta(t, time.Until(expires).Seconds(), c.MaxAge, 60)
	assert.InDelta(t, (12 * time.Hour).Seconds(), c.MaxAge, 60, "the absolute end")

	body["transport"] = "bearer"
	got = h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body})
	assert.Empty(t, got.Header.Values("Set-Cookie"))
	assert.Nil(t, got.get("csrfToken"))
}

func TestCookie_aReloadedPageGoesOnAndSigningOutRemovesIt(t *testing.T) {
	t.Parallel()
	p := newHarness(t).openPage("admin", call{})
	reloaded := p.session()
	require.Equal(t, http.StatusOK, reloaded.Status)
	assert.Equal(t, []any{p.csrf, "cookie", "admin@demo.school"}, []any{reloaded.get("csrfToken"), reloaded.get("transport"), reloaded.get("user", "email")})
	sessions := p.send(http.MethodGet, "/v1/auth/sessions", nil)
	assert.Equal(t, []any{"cookie", true}, []any{sessions.get("data", 0, "transport"), sessions.get("data", 0, "isCurrent")})
	p.send(http.MethodPost, "/v1/institutions", map[string]any{"name": "Hill", "code": "HILL"})
	assert.EqualValues(t, 1, p.count("institutions", "code = 'HILL'"), "a page can write")

	out := p.send(http.MethodPost, "/v1/auth/logout", nil)
	require.Equal(t, http.StatusNoContent, out.Status)
	c := sessionCookie(t, out)
	assert.Equal(t, []any{"__Host-rollcall", "", -1, "/", true}, []any{c.Name, c.Value, c.MaxAge, c.Path, c.Secure})
	dead := p.session()
	assert.Equal(t, http.StatusUnauthorized, dead.Status)
	assert.Empty(t, dead.Header.Values("Set-Cookie"), "a late answer must not remove the cookie of a sign-in since")
}

func TestCredential_anAuthorizationCountsAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	p := h.openPage("guardian", call{})
	both := h.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Token: h.token("teacher"), Cookie: p.cookie})
	assert.Equal(t, "teacher@demo.school", both.get("user", "email"))
	for name, c := range map[string]call{
		"a bad token beside a good cookie":         {Token: "garbage", Cookie: p.cookie},
		"another scheme beside a good cookie":      {Cookie: p.cookie, Header: map[string]string{"Authorization": "Basic Z29vZDpvbmU="}},
		"an empty Authorization beside the cookie": {Cookie: p.cookie, Header: map[string]string{"Authorization": ""}},
		"the token of a bearer session as cookie":  {Cookie: h.token("teacher")},
		"the token of a cookie as bearer":          {Token: p.cookie},
		"the cookie twice":                         {Cookie: p.cookie + "; __Host-rollcall=" + p.cookie},
		"the cookie under another name":            {Header: map[string]string{"Cookie": "rollcall=" + p.cookie}},
	} {
		c.Method, c.Path = http.MethodGet, "/v1/auth/session"
		assert.Equal(t, http.StatusUnauthorized, h.do(c).Status, name)
	}
	write := call{Method: http.MethodPost, Path: "/v1/institutions", Body: map[string]any{"name": "Hill", "code": "HILL"}, Token: h.token("admin"), Cookie: p.cookie}
	assert.Equal(t, http.StatusCreated, h.do(write).Status, "a bearer needs no CSRF token, whatever cookie comes along")
}

// Fixation: whatever was in the browser before a sign-in is worthless after it (ASVS 7.2.4).
func TestRotation_aSignInEndsTheSessionsThatItCameWith(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	planted := h.openPage("guardian", call{})
	bearer, bystander := h.token("teacher"), h.token("teacher")
	victim := h.openPage("admin", call{Cookie: planted.cookie, Token: bearer, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}})
	assert.NotEqual(t, planted.cookie, victim.cookie)
	assert.Equal(t, http.StatusUnauthorized, planted.session().Status, "the planted cookie")
	assert.Equal(t, http.StatusUnauthorized, h.session(bearer).Status, "the planted token")
	assert.Equal(t, http.StatusOK, victim.session().Status)
	assert.Equal(t, http.StatusOK, h.session(bystander).Status, "the user's other sessions go on")

	made := auth.NewToken(seed.DemoTenant).String()
	p := h.openPage("admin", call{Cookie: made, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}})
	assert.NotEqual(t, made, p.cookie, "a token is never the client's choice")
	failed := h.do(call{
		Method: http.MethodPost, Path: "/v1/auth/login", Cookie: p.cookie, Header: map[string]string{"Sec-Fetch-Site": "same-origin"},
		Body: map[string]any{"tenant": "demo", "email": "admin@demo.school", "password": "wrong"},
	})
	assert.Equal(t, http.StatusUnauthorized, failed.Status)
	assert.Equal(t, http.StatusOK, p.session().Status, "a failed sign-in ends nothing")
}

// Each factor that is given makes another token of the same session, by the same transport, and its absolute end stays.
func TestRotation_everyFactorGivesAnotherTokenAndTheOldOneIsDead(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	p := h.openPage("admin", call{})
	id := p.session().get("id")
	h.db.Exec(t, `update `+h.schema()+`.sessions set created_at = created_at - interval '2 hours', expires_at = expires_at - interval '2 hours' where id = $1`, id)
	begun, ends := p.session().get("createdAt"), p.session().get("expiresAt")
	rotated := func(got answer, by string) {
		t.Helper()
		require.Equal(t, http.StatusOK, got.Status, "%s: %s", by, got.Raw)
		before := *p
		p.take(got)
		assert.NotEqual(t, before.cookie, p.cookie, by)
		assert.NotEqual(t, before.csrf, p.csrf, by)
		assert.Equal(t, http.StatusUnauthorized, before.session().Status, "%s: the old token is dead", by)
		before.cookie = p.cookie
		assert.Equal(t, "/problems/csrf-token", before.send(http.MethodPost, "/v1/auth/logout", nil).get("type"), "%s: and its CSRF token", by)
		now := p.session()
		assert.Equal(t, []any{id, begun}, []any{now.get("id"), now.get("createdAt")}, by)
		assert.WithinDuration(t, timeOf(t, ends), timeOf(t, got.get("expiresAt")), time.Second, "%s: the absolute end stays", by)
		assert.InDelta(t, time.Until(timeOf(t, ends)).Seconds(), sessionCookie(t, got).MaxAge, 60, by)
	}
	secret := p.send(http.MethodPost, "/v1/auth/mfa/enroll", nil).get("secret").(string)
	rotated(p.send(http.MethodPost, "/v1/auth/mfa/activate", map[string]any{"code": codeAt(t, secret, exampleTime.Add(-30*time.Second))}), "activateMfa")
	rotated(p.send(http.MethodPost, "/v1/auth/mfa/verify", map[string]any{"code": codeAt(t, secret, exampleTime)}), "verifyMfa")
	rotated(p.send(http.MethodPost, "/v1/auth/password", map[string]any{"currentPassword": seed.DemoPassword, "newPassword": "seven chairs in the north hall"}), "changePassword")
}

func timeOf(t *testing.T, value any) time.Time {
	t.Helper()
	text, _ := value.(string)
	parsed, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return parsed
}

// A session that ended while its factor was being checked gets no token.
func TestRotation_noTokenForASessionThatEndedMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.secondFactor(demoUsers["teacher"], true)
	token := h.token("teacher")
	busy := h.db.Conn(t)
	_, err := busy.Exec(t.Context(), `begin; update `+h.schema()+`.sessions set ended_at = now() where user_id = '`+demoUsers["teacher"]+`'`)
	require.NoError(t, err)
	status := make(chan int, 1)
	go func() {
		status <- h.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/verify", Token: token, Body: map[string]any{"code": exampleCode}}).Status
	}()
	require.Eventually(t, func() bool { return h.waiting() }, 20*time.Second, 10*time.Millisecond)
	_, err = busy.Exec(t.Context(), "commit")
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, <-status)
	assert.Zero(t, dbtest.Value[int64](t, h.db, `select last_step from `+h.schema()+`.second_factors`), "nor is the code used up")
	assert.Zero(t, h.count("sessions", "user_id = $1 and ended_at is null", demoUsers["teacher"]))
}

// waiting reports whether somebody waits for a lock in this test's database.
func (h *harness) waiting() bool {
	return valueOf(h.t, h, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0
}

// What browsers send in the cookie's place: a token that is none never gets as far as the database.
func TestCookie_theCSRFTokenIsTheSessionsOwn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	one, another := h.openPage("admin", call{}), h.openPage("admin", call{})
	assert.NotEqual(t, one.csrf, another.csrf)
	for name, csrf := range map[string]string{
		"none": "", "another session's": another.csrf, "shortened": one.csrf[:len(one.csrf)-1], "lengthened": one.csrf + "A",
		"in capitals": strings.ToUpper(one.csrf), "random": auth.NewToken(uuid.Nil).CSRF(),
	} {
		p := page{harness: h, cookie: one.cookie, csrf: csrf}
		got := p.send(http.MethodPost, "/v1/auth/logout", nil)
		assert.Equal(t, http.StatusForbidden, got.Status, name)
		assert.Equal(t, "/problems/csrf-token", got.get("type"), name)
		assert.Contains(t, got.get("detail"), "X-CSRF-Token", name)
	}
	assert.Equal(t, http.StatusOK, one.session().Status, "reading needs none")
	assert.Equal(t, http.StatusNoContent, one.send(http.MethodPost, "/v1/auth/logout", nil).Status)
	assert.Equal(t, api.TransportCookie, api.Transport(another.session().get("transport").(string)))
}
