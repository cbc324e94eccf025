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
// when goroutines are left. The process exits with it.
func Main(m *testing.M) {
	devdb.RunChild()
	if _, set := os.LookupEnv("GORACE"); !set {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else with -race the server takes a second longer to stop
	}
	mainCalled = true
	before := goleak.IgnoreCurrent()
	code := m.Run()
	if err := finish(before); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// mainCalled tells a missing TestMain from other failures: without it nothing would stop the server.
var mainCalled bool

// toxiproxyLeak is what toxiproxy (internal/toxictest) leaves behind: it goes on to send to connections that have ended
// (v2.5.0).
var toxiproxyLeak = goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run")

func finish(before goleak.Option) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	return errors.Join(stopPooler(), stopServer(ctx), goleak.Find(before, toxiproxyLeak))
}
