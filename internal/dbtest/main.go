package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollcall-erp/rollcall/internal/devdb"
)

// Main runs the tests of a package: it is all that TestMain does. It stops the server if one was started, and fails
// when goroutines are left that are not to be ignored. The process exits with it.
func Main(m *testing.M, ignore ...goleak.Option) {
	devdb.RunChild()
	if _, set := os.LookupEnv("GORACE"); !set {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else with -race the server takes a second longer to stop
	}
	mainCalled = true
	ignore = append(ignore, goleak.IgnoreCurrent())
	code := m.Run()
	if err := finish(ignore); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// mainCalled tells a missing TestMain from other failures: without it nothing would stop the server.
var mainCalled bool

func finish(ignore []goleak.Option) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	return errors.Join(stopPooler(), stopServer(ctx), goleak.Find(ignore...))
}
