package server

import (
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// request is what is found out once of a request, for all who want to know it on its way.
type request struct {
	id      string
	address string // of the client
	passed  bool   // the gate of its operation
}

const (
	requestKey = "rollcall.request"
	// requestIDHeader is X-Request-ID as net/http spells it.
	requestIDHeader = "X-Request-Id"
)

// begin takes the proxy's request id if it is harmless, or makes one, and sends it back.
func begin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !acceptableRequestID(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		c.Set(requestKey, &request{id: id, address: c.RealIP()})
		c.Response().Header()[requestIDHeader] = []string{id}
		return next(c)
	}
}

// acceptableRequestID is true of what can be written anywhere: [A-Za-z0-9_-]{1,64}.
func acceptableRequestID(id string) bool {
	const most = 64
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return id != "" && len(id) <= most
}

// requestOf is what is known of a request, which has begun.
func requestOf(c echo.Context) *request {
	if r, begun := c.Get(requestKey).(*request); begun {
		return r
	}
	return &request{}
}
