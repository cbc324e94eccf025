package server

import (
	"slices"
	"sync"

	"github.com/labstack/echo/v4"
)

// echo puts a request's middleware together anew for each request. These two do it once.

// everywhere is middleware before all routes, the first one outermost.
func everywhere(all ...echo.MiddlewareFunc) echo.MiddlewareFunc {
	way := compose(func(c echo.Context) error { return c.Handler()(c) }, all)
	return func(echo.HandlerFunc) echo.HandlerFunc { return way }
}

// before is middleware before the handler of one route.
func before(all ...echo.MiddlewareFunc) []echo.MiddlewareFunc {
	var once sync.Once
	var way echo.HandlerFunc
	return []echo.MiddlewareFunc{func(handler echo.HandlerFunc) echo.HandlerFunc {
		once.Do(func() { way = compose(handler, all) })
		return way
	}}
}

func compose(h echo.HandlerFunc, all []echo.MiddlewareFunc) echo.HandlerFunc {
	for _, m := range slices.Backward(all) {
		h = m(h)
	}
	return h
}
