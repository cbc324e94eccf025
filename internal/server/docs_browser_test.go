package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
)

// imagesVariable names a folder for the screenshots of the page; `make docs-images` sets it.
const imagesVariable = "ROLLCALL_DOCS_IMAGES"

// What a newcomer does on the page of the docs, on a phone and on a desktop: sign in, try an operation, see a fault by field.
func TestDocs_workInARealBrowser(t *testing.T) {
	t.Parallel()
	for name, window := range map[string]struct {
		width int64
		image moment
	}{"phone": {390, withFaults}, "desktop": {1280, atFirst}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newDocsHarness(t)
			p := &docsPage{tab: openTab(t), h: h, image: window.image, file: "docs-" + name + ".png"}
			p.do("size the window", chromedp.EmulateViewport(window.width, 844))
			p.do("load the page", chromedp.Navigate(h.url+"/docs"))
			p.do("draw the operations", chromedp.WaitVisible(chromedp.CSS(`#operations-student-admitStudent`)))
			p.showsTheDocument()
			p.isReadable(atFirst)
			p.capture(atFirst)

			p.open("auth", "login")
			assert.Contains(t, p.execute("auth", "login", "200"), `"email": "admin@demo.school"`)
			p.do("be signed in", chromedp.WaitVisible(chromedp.CSS(`.auth-wrapper .authorize.locked`)))
			p.close("auth", "login")

			p.open("auth", "getSession")
			assert.Contains(t, p.execute("auth", "getSession", "200"), `"email": "admin@demo.school"`)
			p.close("auth", "getSession")

			p.signInAs("teacher@demo.school")
			p.open("auth", "getSession")
			assert.Contains(t, p.execute("auth", "getSession", "200"), `"email": "teacher@demo.school"`)
			p.close("auth", "getSession")
			p.signInAs("registrar@demo.school")

			p.open("student", "listStudents")
			assert.Equal(t, []string{"page=", "limit=20", "cursor="}, p.parameters("student", "listStudents")[:3])
			p.close("student", "listStudents")

			p.open("student", "admitStudent")
			assert.Contains(t, strings.Join(p.texts(`#operations-student-admitStudent .response-col_links`), " "), "withdrawStudent")
			p.replaceBody("student", "admitStudent", `{"firstName": "   ", "email": "diya at example"}`)
			faults := p.execute("student", "admitStudent", "400")
			assert.Contains(t, faults, `"message": "Invalid email"`)
			assert.Contains(t, faults, `"field": "firstName"`)
			p.isReadable(withFaults)
			p.do("scroll to the answer", chromedp.ScrollIntoView(chromedp.CSS(`#operations-student-admitStudent .live-responses-table .highlight-code`)))
			p.capture(withFaults)
			p.saysNothingElse()
		})
	}
}

// newDocsHarness is a service whose docs show the sign-ins of the demo.
func newDocsHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4}, func(d *server.Dependencies) {
		for _, s := range seed.SignIns() {
			d.Demo = append(d.Demo, server.DemoSignIn{Tenant: s.Tenant, Email: s.Email, Role: s.Role, Password: seed.DemoPassword})
		}
	})
}

// docsPage is the page of the docs in a browser.
type docsPage struct {
	*tab

	h     *harness
	image moment // when its screenshot is taken
	file  string
}

// moment is a state of the page.
type moment string

const (
	atFirst    moment = "at first"
	withFaults moment = "with a form's faults"
)

func (p *docsPage) showsTheDocument() {
	p.t.Helper()
	assert.Len(p.t, p.texts(`.opblock`), len(p.h.contract.Operations))
	var tags []string
	for _, tag := range p.h.contract.Document.Tags {
		tags = append(tags, tag.Name)
	}
	assert.Equal(p.t, tags, p.texts(`.opblock-tag > a`))
	assert.Contains(p.t, strings.Join(p.texts(`.sign-in`), ""), seed.DemoPassword)
}

// signInAs presses the button of a sign-in of the demo.
func (p *docsPage) signInAs(email string) {
	p.t.Helper()
	p.do("sign in as "+email, chromedp.Click(chromedp.CSS(`.sign-in [data-tenant="demo"][data-email="`+email+`"]`)),
		chromedp.Poll[chromedp.Void](`document.querySelector(".sign-in [role=status]").textContent === "Signed in as `+email+`."`))
}

func (p *docsPage) open(tag, operation string) {
	p.t.Helper()
	block := `#operations-` + tag + `-` + operation
	p.do("open "+operation, chromedp.Click(chromedp.CSS(block+` .opblock-summary-control`)),
		chromedp.WaitVisible(chromedp.CSS(block+` .execute`)))
}

func (p *docsPage) close(tag, operation string) {
	p.t.Helper()
	block := `#operations-` + tag + `-` + operation
	p.do("close "+operation, chromedp.Click(chromedp.CSS(block+` .opblock-summary-control`)), chromedp.WaitNotPresent(chromedp.CSS(block+` .execute`)))
}

// execute tries an operation that is open, and returns what the page shows of the answer.
func (p *docsPage) execute(tag, operation, status string) string {
	p.t.Helper()
	block := `#operations-` + tag + `-` + operation
	live := block + ` .live-responses-table tbody`
	p.evaluate(fmt.Sprintf(`document.querySelector(%q)?.click(), ""`, block+` .btn-clear`)) // the answer of the last time
	p.do("execute "+operation, chromedp.WaitNotPresent(chromedp.CSS(live)), chromedp.Click(chromedp.CSS(block+` .execute`)), chromedp.WaitVisible(chromedp.CSS(live+` .highlight-code`)))
	assert.Equal(p.t, []string{status}, p.texts(live+` > .response > .response-col_status`))
	return strings.Join(p.texts(live+` .highlight-code`), "")
}

// parameters are those of an operation, with what is filled in.
func (p *docsPage) parameters(tag, operation string) []string {
	p.t.Helper()
	rows := `#operations-` + tag + `-` + operation + ` tr[data-param-name]`
	return strings.Split(p.evaluate(fmt.Sprintf(`Array.from(document.querySelectorAll(%q),
		row => row.dataset.paramName + "=" + (row.querySelector("input, select")?.value ?? "")).join("\n")`, rows)), "\n")
}

// replaceBody pastes a request over the example.
func (p *docsPage) replaceBody(tag, operation, body string) {
	p.t.Helper()
	area := `#operations-` + tag + `-` + operation + ` textarea.body-param__text`
	p.do("wait for the body", chromedp.WaitVisible(chromedp.CSS(area)))
	// As a paste: the page draws itself anew after each key.
	p.evaluate(fmt.Sprintf(`document.querySelector(%q).select(), String(document.execCommand("insertText", false, %q))`, area, body))
}

// isReadable wants no text below 12 pixels, no button beyond the edge, and nothing to scroll sideways.
func (p *docsPage) isReadable(when moment) {
	p.t.Helper()
	assert.Equal(p.t, "0", p.evaluate(`String(document.documentElement.scrollWidth - innerWidth > 0 ? document.documentElement.scrollWidth : 0)`), "%s: width of what needs scrolling", when)
	assert.Empty(p.t, p.evaluate(unreadable), when)
	assert.Empty(p.t, p.evaluate(unreachable), when)
}

const unreadable = `Array.from(document.querySelectorAll("body *"))
	.filter(e => e.checkVisibility() && Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim()))
	.filter(e => parseFloat(getComputedStyle(e).fontSize) < 12)
	.map(e => e.className + ": " + e.textContent.trim().slice(0, 30)).slice(0, 10).join("\n")`

const unreachable = `Array.from(document.querySelectorAll("button, select, input, textarea"))
	.filter(e => e.checkVisibility() && e.getBoundingClientRect().width > 0)
	.filter(e => e.getBoundingClientRect().left < 0 || e.getBoundingClientRect().right > innerWidth + 1)
	.map(e => e.className + " " + e.textContent.trim().slice(0, 30)).slice(0, 10).join("\n")`

// capture writes what the window shows into the folder of imagesVariable.
func (p *docsPage) capture(now moment) {
	p.t.Helper()
	folder := os.Getenv(imagesVariable)
	if folder == "" || now != p.image {
		return
	}
	image, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(folder, p.file), image, 0o600))
}

// saysNothingElse wants no error on the console but the refused form, and no request but to this server.
func (p *docsPage) saysNothingElse() {
	p.t.Helper()
	faults, requests := p.seen()
	require.Len(p.t, faults, 1, "errors on the console")
	assert.Contains(p.t, faults[0], "status of 400")
	for _, request := range requests {
		assert.True(p.t, strings.HasPrefix(request, p.h.url+"/") || strings.HasPrefix(request, "data:"), "request to %s", request)
	}
	for _, path := range []string{"/docs", "/openapi.yaml", "/v1/auth/login", "/v1/auth/session", "/v1/students"} {
		assert.Contains(p.t, requests, p.h.url+path)
	}
}

func TestDocs_onlyThePagesFilesAreServed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for path, want := range map[string]struct{ contentType, cache string }{
		"/docs":                         {"text/html; charset=utf-8", "no-cache"},
		"/docs/init.js":                 {"text/javascript; charset=utf-8", "no-cache"},
		"/docs/style.css":               {"text/css; charset=utf-8", "no-cache"},
		"/docs/ui/swagger-ui.css":       {"text/css; charset=utf-8", "public, max-age=3600"},
		"/docs/ui/swagger-ui-bundle.js": {"text/javascript; charset=utf-8", "public, max-age=3600"},
		"/docs/ui/favicon-16x16.png":    {"image/png", "public, max-age=3600"},
		"/docs/ui/favicon-32x32.png":    {"image/png", "public, max-age=3600"},
	} {
		got := h.do(call{Method: "GET", Path: path})
		assert.Equal(t, 200, got.Status, path)
		assert.Equal(t, want.contentType, got.Header.Get("Content-Type"), path)
		assert.Equal(t, want.cache, got.Header.Get("Cache-Control"), path)
		assert.NotContains(t, got.Header.Get("Content-Security-Policy"), "unsafe", path)
	}
	for _, path := range []string{
		"/docs/", "/docs/index.html", "/docs/ui", "/docs/ui/", "/docs/ui/index.html", "/docs/ui/oauth2-redirect.html",
		"/docs/ui/swagger-initializer.js", "/docs/ui/swagger-ui-bundle.js.map", "/docs/ui/../init.js", "/docs/ui/%2e%2e%2finit.js",
	} {
		got := h.do(call{Method: "GET", Path: path})
		assert.Equal(t, 404, got.Status, path)
		assert.Equal(t, "application/problem+json", got.Header.Get("Content-Type"), path)
	}
}
