package resilience

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

// The reasons that are not a dependency's own.
const (
	ReasonConnection = "connection" // it could not be made, or broke
	ReasonTimeout    = "timeout"    // one try took too long
)

// Broken reports a connection that could not be made or that broke, as against one that is slow.
func Broken(err error) bool {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return false
	}
	_, isOp := errors.AsType[*net.OpError](err)
	return isOp || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED)
}

func connectionOnly(err error, _ uint) string {
	if errors.Is(err, context.Canceled) || !Broken(err) {
		return ""
	}
	return ReasonConnection
}

// StatusError is an answer over HTTP that is no success.
type StatusError struct{ Status int }

// Error is for the log.
func (e *StatusError) Error() string {
	return fmt.Sprintf("answered %d %s", e.Status, http.StatusText(e.Status))
}

// externalReason tries again what the other side calls transient (RFC 9110, 15.5.9 and 15.6; RFC 6585; RFC 8470), and what did
// not arrive. Policy.Do ends by itself when the caller's own time is over.
func externalReason(err error, _ uint) string {
	if status, ok := errors.AsType[*StatusError](err); ok {
		switch status.Status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return "status"
		}
		return ""
	}
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return ReasonTimeout
	case Broken(err):
		return ReasonConnection
	}
	return ""
}
