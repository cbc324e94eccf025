package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// sameOperations holds the generated routes against the document, so that a stale one stops the start and not a request.
func sameOperations(c *contract.Contract, routes []*echo.Route) error {
	routed := map[string]bool{}
	for _, r := range routes {
		routed[r.Method+" "+r.Path] = true
	}
	var faults []error
	for id, op := range c.Operations {
		route := op.Method + " " + echoPath(op.Path)
		if !routed[route] {
			faults = append(faults, fmt.Errorf("operation %s has no route %s: run make generate", id, route))
		}
		delete(routed, route)
	}
	for route := range routed {
		faults = append(faults, fmt.Errorf("route %s is no operation of openapi.yaml: run make generate", route))
	}
	return errors.Join(faults...)
}

// echoPath is a path of the document in echo's spelling: {id} is :id.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// refuseShadowed answers 405 for a path that is written out and has no such method, where another path has a parameter in
// its place: PATCH /v1/students/bulk is no change of a student.
func refuseShadowed(e *echo.Echo, c *contract.Contract) {
	methods := map[string][]string{}
	for _, op := range c.Operations {
		methods[op.Path] = append(methods[op.Path], op.Method)
	}
	for path, own := range methods {
		for template := range methods {
			if shadows(path, template) {
				refuseOthers(e, path, own)
			}
		}
	}
}

func refuseOthers(e *echo.Echo, path string, methods []string) {
	allowed := append([]string{http.MethodOptions}, methods...)
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	e.OPTIONS(echoPath(path), allowOnly(allow, nil))
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if !slices.Contains(allowed, method) {
			e.Add(method, echoPath(path), allowOnly(allow, echo.ErrMethodNotAllowed))
		}
	}
}

// shadows is true when the template matches the path too, by a parameter where the path has a word.
func shadows(path, template string) bool {
	words, parts := strings.Split(path, "/"), strings.Split(template, "/")
	if path == template || len(words) != len(parts) {
		return false
	}
	for i, part := range parts {
		if part != words[i] && !strings.HasPrefix(part, "{") {
			return false
		}
	}
	return true
}

// allowOnly lists the methods of a path: as an error, or, without one, as the answer to OPTIONS.
func allowOnly(allow string, err error) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderAllow, allow)
		if err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}
