package server

import (
	"bytes"
	_ "embed" // the page
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/munnerz/goautoneg"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/rollcall-erp/rollcall/docs"
)

// problemPages are what the `type` of a problem leads to: docs/problems.md as a whole, and its row of each type.
type problemPages map[string]problemPage // by path

// problemPage is one page in both of its forms.
type problemPage struct{ markdown, html []byte }

const (
	problemsPath  = "/problems"
	markdownType  = "text/markdown; charset=utf-8"
	problemPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// problemRow is a row of the table in docs/problems.md: type, status, what to do.
var problemRow = regexp.MustCompile("(?m)^\\| `/problems/([a-z-]+)` \\| ([0-9]+) \\| (.+) \\|$")

// newProblemPages makes the pages. An error is a type of problem without a row, or a row without a type.
func newProblemPages() (problemPages, error) {
	rows := map[string]string{}
	for _, row := range problemRow.FindAllStringSubmatch(docs.Problems, -1) {
		rows[row[1]+" "+row[2]] = row[3]
	}
	pages := problemPages{}
	if err := pages.add(problemsPath, "Problems", docs.Problems); err != nil {
		return nil, err
	}
	for _, kind := range problemKinds {
		key := fmt.Sprintf("%s %d", kind.name, kind.status)
		advice, found := rows[key]
		if !found {
			return nil, fmt.Errorf("docs/problems.md has no row %s", key)
		}
		delete(rows, key)
		text := fmt.Sprintf("# %d %s\n\n`%s/%s`\n\n%s\n%s\n[All problems](%s)\n", kind.status, kind.title, problemsPath, kind.name, advice, moreOf(advice), problemsPath)
		if err := pages.add(problemsPath+"/"+kind.name, kind.title, text); err != nil {
			return nil, err
		}
	}
	for key := range rows {
		return nil, fmt.Errorf("docs/problems.md has a row %s that no answer has", key)
	}
	return pages, nil
}

// moreOf is what stands below the table, for a problem that lists errors.
func moreOf(advice string) string {
	if !strings.Contains(advice, "`errors`") {
		return ""
	}
	last := problemRow.FindAllStringIndex(docs.Problems, -1)
	return docs.Problems[last[len(last)-1][1]:]
}

var problemMarkdown = goldmark.New(goldmark.WithExtensions(extension.Table))

// problemHTML is a page around its title and its body.
//
//go:embed docs/problem.html
var problemHTML string

func (p problemPages) add(path, title, markdown string) error {
	var body bytes.Buffer
	if err := problemMarkdown.Convert([]byte(markdown), &body); err != nil { // which leaves raw HTML out
		return fmt.Errorf("page %s: %w", path, err)
	}
	page := strings.NewReplacer("{title}", html.EscapeString(title), "{body}", body.String()).Replace(problemHTML)
	p[path] = problemPage{markdown: []byte(markdown), html: []byte(page)}
	return nil
}

func (p problemPages) register(e *echo.Echo) {
	for path, page := range p {
		e.GET(path, page.serve)
	}
}

// serve answers a browser with HTML and everybody else with the text as it was written.
func (p problemPage) serve(c echo.Context) error {
	h := c.Response().Header()
	h.Set(echo.HeaderVary, echo.HeaderAccept)
	h.Set(echo.HeaderCacheControl, "no-cache")
	h.Set(echo.HeaderContentSecurityPolicy, problemPolicy)
	if goautoneg.Negotiate(c.Request().Header.Get(echo.HeaderAccept), []string{"text/markdown", "text/html"}) == "text/html" {
		return c.HTMLBlob(http.StatusOK, p.html)
	}
	return c.Blob(http.StatusOK, markdownType, p.markdown)
}
