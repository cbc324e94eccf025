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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Cluster is a PostgreSQL of one test's own, run by PostgreSQL's own programs: the test can stop, kill, freeze and start
// it. Commits that it acknowledges survive all of that. Its methods are for the test's own goroutine.
type Cluster struct {
	URL string // of the superuser

	bin, dir, port string
	command        *exec.Cmd
	exited         *errgroup.Group
}

// NewCluster starts an empty one, for the time of the test.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	s, err := theServer()
	require.NoError(t, err)
	c := newCluster(t, s.url.String())
	c.run(t, "initdb", "--pgdata", c.dir, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	c.URL = "postgres://postgres@127.0.0.1:" + c.port + "/postgres?sslmode=disable"
	c.Start(t)
	t.Cleanup(c.Stop)
	return c
}

// NewReplica copies the server of a URL, and follows it until the end of the test.
func NewReplica(t testing.TB, primary string) *Cluster {
	t.Helper()
	c := newCluster(t, primary)
	u, err := url.Parse(primary)
	require.NoError(t, err)
	c.run(t, "pg_basebackup", "--dbname", primary, "--pgdata", c.dir, "--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast")
	u.Host = "127.0.0.1:" + c.port
	c.URL = u.String()
	c.Start(t)
	t.Cleanup(c.Stop)
	return c
}

// newCluster finds a place for one, and the programs of a server that runs.
func newCluster(t testing.TB, like string) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp(memoryDir(), "rollcall-cluster-") //nolint:usetesting // t.TempDir is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777)) //nolint:gosec // it is another user's, for the time of the test
	port, err := freePort()
	require.NoError(t, err)
	return &Cluster{bin: binDir(t, like), dir: filepath.Join(dir, "data"), port: strconv.Itoa(port)}
}

func binDir(t testing.TB, server string) (dir string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	require.NoError(t, conn.QueryRow(t.Context(), "select setting from pg_config where name = 'BINDIR'").Scan(&dir))
	return dir
}

func (c *Cluster) program(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(c.bin, name), arguments...)
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

func (c *Cluster) run(t testing.TB, name string, arguments ...string) {
	t.Helper()
	output, err := c.program(t.Context(), name, arguments...).CombinedOutput()
	require.NoError(t, err, "%s: %s", name, output)
}

// startTimeout is how long it may take to answer.
const startTimeout = 30 * time.Second

// Start starts it, after Stop or Kill, and returns when it answers.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	c.command = c.program(context.WithoutCancel(t.Context()), "postgres", "-D", c.dir, "-p", c.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "max_connections=200", "-c", "max_locks_per_transaction=256") // a replica refuses to have less than its primary
	var output bytes.Buffer
	c.command.Stderr = &output
	require.NoError(t, c.command.Start())
	c.exited = &errgroup.Group{}
	c.exited.Go(c.command.Wait)
	require.Eventually(t, func() bool { return c.exec(t.Context(), "select") == nil }, startTimeout, pollInterval)
}

// Stop ends it at once.
func (c *Cluster) Stop() { c.signal(syscall.SIGQUIT) }

// Kill ends it as a crash of the machine's memory would: no process of it gets to say anything.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	c.each(t, syscall.SIGKILL)
	c.signal(syscall.SIGKILL)
}

func (c *Cluster) signal(signal syscall.Signal) {
	_ = c.command.Process.Signal(signal) // fails when it has ended
	_ = c.exited.Wait()
}

// Freeze holds all its processes, until Thaw: connections stay, and nothing answers.
func (c *Cluster) Freeze(t testing.TB) {
	t.Helper()
	t.Cleanup(func() { c.Thaw(t) }) // else it could not be stopped
	require.NoError(t, c.command.Process.Signal(syscall.SIGSTOP))
	c.each(t, syscall.SIGSTOP)
}

// Thaw ends a Freeze.
func (c *Cluster) Thaw(t testing.TB) {
	t.Helper()
	c.each(t, syscall.SIGCONT)
	_ = c.command.Process.Signal(syscall.SIGCONT) // fails when it has ended
}

// each sends a signal to all processes that the postmaster has started.
func (c *Cluster) each(t testing.TB, signal syscall.Signal) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid ...: the name may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(c.command.Process.Pid) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // a number, as globbed
			_ = syscall.Kill(pid, signal)                             // fails when it has ended
		}
	}
}

// KillBackend kills one process that serves a client, as the kernel does when memory runs out. PostgreSQL then ends all
// others, and recovers.
func (c *Cluster) KillBackend(t testing.TB) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var pid int
	require.Eventually(t, func() bool { // clients may just have lost their connections
		return conn.QueryRow(t.Context(), `select pid from pg_stat_activity
			where backend_type = 'client backend' and pid <> pg_backend_pid() order by state_change desc limit 1`).Scan(&pid) == nil
	}, 10*time.Second, time.Millisecond)
	_ = syscall.Kill(pid, syscall.SIGKILL) // fails when it has ended
}

// Pause keeps a replica from following, until Resume.
func (c *Cluster) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, c.exec(t.Context(), "select pg_wal_replay_pause()"))
}

// Resume ends a Pause.
func (c *Cluster) Resume(t testing.TB) {
	t.Helper()
	require.NoError(t, c.exec(t.Context(), "select pg_wal_replay_resume()"))
}

func (c *Cluster) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}
