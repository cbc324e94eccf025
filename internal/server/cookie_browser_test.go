package server_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/seed"
)

// A page of a real browser: it keeps the cookie, shows it to no script, sends it by itself, and writes with the CSRF token.
func TestCookie_inARealBrowser(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tab := openTab(t)
	tab.do("load a page of the origin", chromedp.Navigate(h.url+"/docs"))
	signIn := fmt.Sprintf(`{tenant: "demo", email: "teacher@demo.school", password: %q, transport: "cookie"}`, seed.DemoPassword)
	assert.Equal(t, "200", tab.fetch("POST", "/v1/auth/login", signIn, ""))
	assert.Empty(t, tab.evaluate(`document.cookie`), "no script sees it")
	assert.Equal(t, "200", tab.fetch("GET", "/v1/auth/session", "", ""))
	assert.Equal(t, "teacher@demo.school", tab.evaluate(`answer.user.email`))
	assert.Equal(t, "403", tab.fetch("POST", "/v1/auth/logout", "", ""))
	assert.Equal(t, "/problems/csrf-token", tab.evaluate(`answer.type`))

	tab.do("reload", chromedp.Reload())
	assert.Equal(t, "200", tab.fetch("GET", "/v1/auth/session", "", ""), "a reload keeps the session")
	csrf := tab.evaluate(`answer.csrfToken`)
	assert.Equal(t, "204", tab.fetch("POST", "/v1/auth/logout", "", csrf))
	assert.Equal(t, "401", tab.fetch("GET", "/v1/auth/session", "", ""))
}

// fetch sends a request as a script of the page and keeps the answer for evaluate.
func (b *tab) fetch(method, path, body, csrf string) (status string) {
	b.t.Helper()
	options := fmt.Sprintf(`method: %q, headers: {"Content-Type": "application/json", "X-CSRF-Token": %q}`, method, csrf)
	if body != "" {
		options += ", body: JSON.stringify(" + body + ")"
	}
	return b.evaluate(fmt.Sprintf(`fetch(%q, {%s}).then(async r => { window.answer = await r.json().catch(() => ({})); return String(r.status) })`, path, options))
}

func (b *tab) evaluate(script string) string {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err)
	return value
}
