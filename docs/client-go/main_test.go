package clientgo_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain runs the examples against `rollcall dev` with a database of its own, as `make run` starts it.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "rollcall-client-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // an unprivileged PostgreSQL must reach its folder inside
		return 0, err
	}
	program := filepath.Join(dir, "rollcall")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "../../cmd/rollcall").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the server: %w\n%s", err, output)
	}
	stop, err := serve(ctx, program, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = stop() }()
	return m.Run(), nil
}

// serve starts the demo on a free port, and sets baseURL when it is ready.
func serve(ctx context.Context, program, dir string) (stop func() error, err error) {
	server := exec.CommandContext(ctx, program, "dev")
	server.Env = append(os.Environ(), "ROLLCALL_ADDR=127.0.0.1:0", "ROLLCALL_DATA_DIR="+filepath.Join(dir, "data"), "DATABASE_URL=")
	output, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	stop = func() error {
		_ = server.Process.Signal(syscall.SIGTERM)
		return server.Wait()
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if address, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "API "); found {
			baseURL = strings.TrimSuffix(strings.TrimSpace(address), "/v1")
			return stop, nil
		}
	}
	return nil, fmt.Errorf("the server did not start: %w", stop())
}
