package server

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/labstack/echo/v4"
	swaggerfiles "github.com/swaggo/files/v2"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// system has what stands outside /v1 and knows no dependency: a sign of life, the document, its page.
type system struct {
	contract *contract.Contract
}

// docsFiles are the page, its script and its style; Swagger UI itself comes from its module.
//
//go:embed docs/index.html docs/init.js docs/style.css docs/problem.css
var docsFiles embed.FS

// docsPage is the page with all it loads, and the style of the pages of problems; nothing else of Swagger UI is served.
var docsPage = []docsFile{
	{path: "/docs", from: docsFiles, name: "docs/index.html", contentType: "text/html; charset=utf-8"},
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
	for _, file := range docsPage {
		e.GET(file.path, file.serve)
	}
	problems, err := newProblemPages()
	if err != nil {
		return err
	}
	problems.register(e)
	return nil
}

func (f docsFile) serve(c echo.Context) error {
	content, err := fs.ReadFile(f.from, f.name)
	if err != nil {
		return fmt.Errorf("read a file of the docs page: %w", err)
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, docsPolicy)
	h.Set(echo.HeaderCacheControl, "no-cache")
	if f.cacheable {
		h.Set(echo.HeaderCacheControl, "public, max-age=3600")
	}
	return c.Blob(http.StatusOK, f.contentType, content)
}
