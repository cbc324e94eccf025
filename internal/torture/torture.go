// Package torture holds the tests that break what the service stands on, and look whether anything was lost, doubled, left
// half done, or left behind: the network to PostgreSQL and Redis (toxiproxy), PostgreSQL itself (killed, frozen), and too
// much load. Each runs for a second or two in `make test`; `make torture` runs them as long as they need to mean something,
// and puts their figures into docs/reliability.md.
package torture

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// variable names the file that the figures of long runs are appended to; without it runs are short.
const variable = "ROLLCALL_TORTURE"

// Long reports whether this is a long run.
func Long() bool { return os.Getenv(variable) != "" }

// For is how long something is tortured.
func For(short, long time.Duration) time.Duration {
	if Long() {
		return long
	}
	return short
}

// Times is how often.
func Times(short, long int) int {
	if Long() {
		return long
	}
	return short
}

// Reportf is a row of the table: what was done, and what came of it. It is logged, and kept if this is a long run.
func Reportf(t testing.TB, what, format string, figures ...any) {
	t.Helper()
	row := fmt.Sprintf("| %s | %s |\n", what, fmt.Sprintf(format, figures...))
	t.Log(row)
	if !Long() {
		return
	}
	file, err := os.OpenFile(os.Getenv(variable), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // the table is no secret
	if err == nil {
		_, err = file.WriteString(row)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Errorf("keep the figures: %v", err)
	}
}
