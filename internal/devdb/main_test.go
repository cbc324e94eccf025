package devdb

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// parentEnv makes the test binary a program that starts PostgreSQL on the directory in it, and waits to be killed.
const parentEnv = "DEVDB_TEST_PARENT"

func TestMain(m *testing.M) {
	RunChild()
	if dir, ok := os.LookupEnv(parentEnv); ok {
		runParent(dir)
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else with -race every supervisor takes a second to end
	goleak.VerifyTestMain(m)
}

func runParent(dir string) {
	s, err := Start(context.Background(), Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL())
	select {} // with the pipe's end in s alive
}

// startParent runs such a program. The caller kills it.
func startParent(t *testing.T, dir string) (parent *exec.Cmd, output *bufio.Reader) {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	parent = exec.Command(executable)
	parent.Env = append(os.Environ(), parentEnv+"="+dir)
	pipe, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	return parent, bufio.NewReader(pipe)
}

// openDir is a temporary directory that the unprivileged user can enter, which t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "devdb-test-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// start starts a server, and stops it after the test.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) }) // most tests stop it themselves, or kill it
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	require.NoError(t, s.Stop(t.Context()))
}

// query runs one statement and returns its one value as text.
func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	value, err := tryQuery(t.Context(), s.URL(), sql)
	require.NoError(t, err)
	return value
}

func tryQuery(ctx context.Context, url, sql string) (value string, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return value, conn.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&value)
}

// putNote stores something that a later start must find; getNote reads it.
func putNote(t *testing.T, s *Server, text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "create table note as select '"+text+"'::text as body")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func getNote(t *testing.T, s *Server) string {
	t.Helper()
	return query(t, s, "select body from note")
}

func portOf(t *testing.T, s *Server) uint32 {
	t.Helper()
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	port, err := strconv.ParseUint(u.Port(), 10, 32)
	require.NoError(t, err)
	return uint32(port)
}

// postmasterPID reads the pid file of the home in dir.
func postmasterPID(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "postgres/data/postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	return pid
}

// kill kills a process of this test's and waits until it is gone, or a zombie that waits for its parent.
func kill(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	eventually(t, func() bool { return commandLine(pid) == "" })
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 20*time.Millisecond)
}
