package server

import (
	"embed"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	swaggerfiles "github.com/swaggo/files/v2"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// system has what stands outside /v1 and knows no dependency: a sign of life, the document, its page.
type system struct {
	contract *contract.Contract
	demo     []DemoSignIn
}

// docsFiles are the page, its script and its style; Swagger UI itself comes from its module.
//
//go:embed docs/init.js docs/style.css docs/problem.css
var docsFiles embed.FS

// docsHTML is the page around the sign-ins of a demo. Here and on the pages of problems there is too little to fill in for html/template,
// which finds methods by their names, and with which the program would keep all methods of all types: a quarter of its size.
//
//go:embed docs/index.html
var docsHTML string

// DemoSignIn is a sign-in that the page of the docs shows to everybody.
type DemoSignIn struct{ Tenant, Email, Role, Password string }

// docsPage is all that the page loads, and the style of the pages of problems; nothing else of Swagger UI is served.
var docsPage = []docsFile{
	{path: "/docs/init.js", from: docsFiles, name: "docs/init.js", contentType: "text/javascript; charset=utf-8"},
	{path: "/docs/style.css", from: docsFiles, name: "docs/style.css", contentType: "text/css; charset=utf-8"},
	{path: "/docs/problem.css", from: docsFiles, name: "docs/problem.css", contentType: "text/css; charset=utf-8"},
	swaggerUI("swagger-ui.css", "text/css; charset=utf-8"),
	swaggerUI("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
	swaggerUI("favicon-16x16.png", "image/png"),
	swaggerUI("favicon-32x32.png", "image/png"),
}

// docsFile is one file of the page.
type docsFile struct {
	path        string
	from        fs.FS
	name        string
	contentType string
	cacheable   bool
}

// swaggerUI is a file of Swagger UI, which changes only with its module's version.
func swaggerUI(name, contentType string) docsFile {
	return docsFile{path: "/docs/ui/" + name, from: swaggerfiles.FS, name: name, contentType: contentType, cacheable: true}
}

// docsPolicy lets the page load its own files and call this server, nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// register adds the routes. An error is a page of problems that does not fit them.
func (s system) register(e *echo.Echo) error {
	e.GET("/livez", func(c echo.Context) error { return c.String(http.StatusOK, "alive\n") })
	e.GET("/openapi.yaml", func(c echo.Context) error {
		return c.Blob(http.StatusOK, "application/yaml", contract.YAML)
	})
	e.GET("/openapi.json", func(c echo.Context) error {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, s.contract.JSON)
	})
	s.registerDocs(e)
	problems, err := newProblemPages()
	if err != nil {
		return err
	}
	problems.register(e)
	return nil
}

func (s system) registerDocs(e *echo.Echo) {
	page := []byte(strings.Replace(docsHTML, "{demo}", demoHTML(s.demo), 1))
	e.GET("/docs", func(c echo.Context) error {
		docsHeaders(c, "no-cache")
		return c.Blob(http.StatusOK, "text/html; charset=utf-8", page)
	})
	for _, file := range docsPage {
		e.GET(file.path, file.serve)
	}
}

// demoHTML offers the sign-ins of a demo, which all have one password.
func demoHTML(all []DemoSignIn) string {
	if len(all) == 0 {
		return ""
	}
	var list strings.Builder
	fmt.Fprintf(&list, "    <p>This server has the demo school. One click signs in; the password of all is <code>%s</code>.</p>\n    <ul>\n",
		html.EscapeString(all[0].Password))
	for _, d := range all {
		tenant, email, role, password := html.EscapeString(d.Tenant), html.EscapeString(d.Email), html.EscapeString(d.Role), html.EscapeString(d.Password)
		fmt.Fprintf(&list, "      <li><button title=\"%s\" data-tenant=\"%s\" data-email=\"%s\" data-password=\"%s\">%s <small>%s</small></button></li>\n",
			email, tenant, email, password, role, tenant)
	}
	return list.String() + "    </ul>\n"
}

func docsHeaders(c echo.Context, caching string) {
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, docsPolicy)
	c.Response().Header().Set(echo.HeaderCacheControl, caching)
}

func (f docsFile) serve(c echo.Context) error {
	content, err := fs.ReadFile(f.from, f.name)
	if err != nil {
		return fmt.Errorf("read a file of the docs page: %w", err)
	}
	caching := "no-cache"
	if f.cacheable {
		caching = "public, max-age=3600"
	}
	docsHeaders(c, caching)
	return c.Blob(http.StatusOK, f.contentType, content)
}
