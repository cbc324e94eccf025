package server_test

import (
	"io"
	"log/slog"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/masklog"
)

// newLogger is the service's logger, as cmd/rollcall makes it, with all that it can say.
func newLogger(c *contract.Contract, out io.Writer) *slog.Logger {
	return slog.New(masklog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}), c.PersonalNames()))
}
