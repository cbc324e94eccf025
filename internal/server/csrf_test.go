package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// forgery is a request as a browser could be made to send it, or a program.
type forgery struct {
	site, origin, method string // site is the header Sec-Fetch-Site; origin one of own, other, null; empty is absent
	credential           string // none, bearer, cookie, cookie with token
}

// refusal is what becomes of it; empty when it passes. Said apart from the code: from another site nothing is changed;
// a cookie alone changes nothing.
func (f forgery) refusal() string {
	if f.method == http.MethodGet || f.method == http.MethodHead {
		return ""
	}
	fromElsewhere := f.site == "cross-site" || f.site == "same-site" || f.site == "" && (f.origin == "other" || f.origin == "null")
	switch {
	case fromElsewhere:
		return "/problems/cross-origin"
	case strings.HasPrefix(f.credential, "cookie") && f.site == "" && f.origin == "":
		return "/problems/cross-origin"
	case f.credential == "cookie":
		return "/problems/csrf-token"
	}
	return ""
}

func forgeries() []forgery {
	var all []forgery
	for _, site := range []string{"", "same-origin", "same-site", "cross-site", "none"} {
		for _, origin := range []string{"", "own", "other", "null"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				for _, credential := range []string{"none", "bearer", "cookie", "cookie with token"} {
					all = append(all, forgery{site, origin, method, credential})
				}
			}
		}
	}
	return all
}

// targets are one operation of each method; what is sent to them is refused by their handlers or harmless.
var targets = map[string]call{
	http.MethodGet:    {Path: "/v1/students/" + asha},
	http.MethodHead:   {Path: "/v1/students/" + asha},
	http.MethodPost:   {Path: "/v1/students", Body: `{"nonsense":1}`},
	http.MethodPut:    {Path: "/v1/users/" + asha + "/roles", Body: `{"nonsense":1}`},
	http.MethodPatch:  {Path: "/v1/students/" + asha, Body: `{"nonsense":1}`},
	http.MethodDelete: {Path: "/v1/auth/sessions/" + asha},
}

// Sec-Fetch-Site x Origin x method x transport.
func TestCSRF_onlyTheOwnOriginChangesSomethingAndNoCookieAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	bearer, cookie := h.token("admin"), auth.NewToken(seed.DemoTenant)
	h.insertSession(cookie, demoUsers["admin"], api.TransportCookie, time.Hour)
	before := h.digest()
	refused, all := map[string]int{}, forgeries()
	for _, f := range all {
		c := targets[f.method]
		c.Method, c.Header = f.method, map[string]string{}
		if f.site != "" {
			c.Header["Sec-Fetch-Site"] = f.site
		}
		if f.origin != "" {
			c.Header["Origin"] = map[string]string{"own": h.url, "other": "https://evil.example", "null": "null"}[f.origin]
		}
		switch f.credential {
		case "bearer":
			c.Token = bearer
		case "cookie with token":
			c.Header["X-CSRF-Token"] = cookie.CSRF()
			fallthrough
		case "cookie":
			c.Cookie = cookie.String()
		}
		got := h.do(c)
		problem, _ := got.get("type").(string)
		what := fmt.Sprintf("%+v: %d %s", f, got.Status, got.Raw)
		refused[f.refusal()]++
		switch want := f.refusal(); {
		case want != "":
			assert.Equal(t, http.StatusForbidden, got.Status, what)
			assert.Equal(t, want, problem, what)
			assert.NotEmpty(t, got.get("detail"), what)
		case f.credential == "none":
			assert.Equal(t, http.StatusUnauthorized, got.Status, what)
		default:
			assert.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, got.Status, what)
		}
	}
	assert.Equal(t, before, h.digest(), "something was written")
	t.Logf("%d requests: %d pass, %d refused as from another site, %d without the session's token",
		len(all), refused[""], refused["/problems/cross-origin"], refused["/problems/csrf-token"])
}

// A sign-in from another site would put the user into somebody else's account.
func TestCSRF_nobodyIsSignedInFromAnotherSite(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := map[string]any{"tenant": "demo", "email": "guardian@demo.school", "password": seed.DemoPassword, "transport": "cookie"}
	for name, header := range map[string]map[string]string{
		"another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, "a neighbour": {"Sec-Fetch-Site": "same-site"},
		"an old browser": {"Origin": "https://evil.example"}, "a sandbox": {"Origin": "null"},
	} {
		got := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body, Header: header})
		assert.Equal(t, "/problems/cross-origin", got.get("type"), name)
		assert.Empty(t, got.Header.Values("Set-Cookie"), name)
	}
	assert.Zero(t, h.count("sessions", "ended_at is null"))
	outside := h.do(call{Method: http.MethodPost, Path: "/nosuch", Header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	assert.Equal(t, "/problems/cross-origin", outside.get("type"), "around everything, not only operations")
}
