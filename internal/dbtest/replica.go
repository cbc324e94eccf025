package dbtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Replica is a streaming replica of a server, made with PostgreSQL's own programs. Its methods are for the test's own
// goroutine.
type Replica struct {
	URL string // of the superuser, and the same database as the primary's URL

	bin, dir, port string
	command        *exec.Cmd
	exited         errgroup.Group
}

// NewReplica copies the server of a URL, and follows it until the end of the test.
func NewReplica(t testing.TB, primary string) *Replica {
	t.Helper()
	dir, err := os.MkdirTemp(memoryDir(), "rollcall-replica-") //nolint:usetesting // t.TempDir is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777)) //nolint:gosec // it is another user's, for the time of the test
	port, err := freePort()
	require.NoError(t, err)
	u, err := url.Parse(primary)
	require.NoError(t, err)
	r := &Replica{bin: binDir(t, primary), dir: filepath.Join(dir, "data"), port: strconv.Itoa(port)}
	r.run(t, "pg_basebackup", "--dbname", primary, "--pgdata", r.dir, "--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast")
	u.Host = "127.0.0.1:" + r.port
	r.URL = u.String()
	r.Start(t)
	t.Cleanup(r.Stop)
	return r
}

// binDir is where the programs of a running server are.
func binDir(t testing.TB, server string) (dir string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	require.NoError(t, conn.QueryRow(t.Context(), "select setting from pg_config where name = 'BINDIR'").Scan(&dir))
	return dir
}

func (r *Replica) program(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(r.bin, name), arguments...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: unprivileged()}
	return command
}

// unprivileged is who runs PostgreSQL, which refuses to run as root.
func unprivileged() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid) // a number, on Unix
			gid, _ := strconv.Atoi(u.Gid)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return nil
}

func (r *Replica) run(t testing.TB, name string, arguments ...string) {
	t.Helper()
	output, err := r.program(t.Context(), name, arguments...).CombinedOutput()
	require.NoError(t, err, "%s: %s", name, output)
}

// startTimeout is how long it may take to answer.
const startTimeout = 30 * time.Second

// Start starts it, after Stop, and returns when it answers.
func (r *Replica) Start(t testing.TB) {
	t.Helper()
	r.command = r.program(context.WithoutCancel(t.Context()), "postgres", "-D", r.dir, "-p", r.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "max_connections=200", "-c", "max_locks_per_transaction=256") // a replica refuses to have less than its primary
	var output bytes.Buffer
	r.command.Stderr = &output
	require.NoError(t, r.command.Start())
	r.exited = errgroup.Group{}
	r.exited.Go(r.command.Wait)
	require.Eventually(t, func() bool { return r.exec(t.Context(), "select") == nil }, startTimeout, pollInterval)
}

// Stop ends it at once.
func (r *Replica) Stop() {
	_ = r.command.Process.Signal(syscall.SIGQUIT) // immediate shutdown; fails when it has ended
	_ = r.exited.Wait()
}

// Pause keeps it from following, until Resume.
func (r *Replica) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, r.exec(t.Context(), "select pg_wal_replay_pause()"))
}

// Resume ends a Pause.
func (r *Replica) Resume(t testing.TB) {
	t.Helper()
	require.NoError(t, r.exec(t.Context(), "select pg_wal_replay_resume()"))
}

func (r *Replica) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, r.URL)
	if err != nil {
		return fmt.Errorf("connect to the replica: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}
