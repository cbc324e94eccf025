package server

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	swaggerfiles "github.com/swaggo/files/v2"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// system has what stands outside /v1: health, the document, its page.
type system struct {
	db       *db.DB
	contract *contract.Contract
}

// docsFiles are the page and its script; Swagger UI itself comes from its module.
//
//go:embed docs/index.html docs/init.js
var docsFiles embed.FS

// docsPolicy lets the page load its own files and call this server, nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s system) register(e *echo.Echo) {
	e.GET("/livez", func(c echo.Context) error { return c.String(http.StatusOK, "alive\n") })
	e.GET("/readyz", s.ready)
	e.GET("/openapi.yaml", func(c echo.Context) error {
		return c.Blob(http.StatusOK, "application/yaml", contract.YAML)
	})
	e.GET("/openapi.json", func(c echo.Context) error {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, s.contract.JSON)
	})
	e.GET("/docs", docsFile("index.html", "text/html; charset=utf-8"))
	e.GET("/docs/init.js", docsFile("init.js", "text/javascript; charset=utf-8"))
	ui := http.StripPrefix("/docs/ui/", http.FileServerFS(swaggerfiles.FS))
	e.GET("/docs/ui/:file", echo.WrapHandler(ui))
}

// ready is true when requests can be served: the database answers.
func (s system) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), time.Second)
	defer cancel()
	if err := s.db.Ping(ctx); err != nil {
		e := apperr.Wrap(apperr.Unavailable, "The database does not answer.", err)
		e.RetryAfter = time.Second
		return e
	}
	return c.String(http.StatusOK, "ready\n")
}

func docsFile(name, contentType string) echo.HandlerFunc {
	return func(c echo.Context) error {
		content, err := fs.ReadFile(docsFiles, "docs/"+name)
		if err != nil {
			return err
		}
		c.Response().Header().Set(echo.HeaderContentSecurityPolicy, docsPolicy)
		return c.Blob(http.StatusOK, contentType, content)
	}
}
