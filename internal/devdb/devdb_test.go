package devdb

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStart_dataSurvivesARestart(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: filepath.Join(openDir(t), strings.Repeat("long", 30)), Parameters: map[string]string{
		"application_name": "a \"b\" $c `d` \\",
	}}
	first := start(t, cfg)
	putNote(t, first, "remember")
	assert.Equal(t, cfg.Parameters["application_name"], query(t, first,
		"select reset_val from pg_settings where name = 'application_name'"))
	stop(t, first)
	stop(t, first)
	_, err := tryQuery(t.Context(), first.URL(), "select 1")
	require.Error(t, err)

	second := start(t, cfg)
	assert.Equal(t, "remember", getNote(t, second))
	info, err := os.Stat(filepath.Join(cfg.Dir, "postgres/password"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	stop(t, second)
}

func TestStart_ephemeral(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Ephemeral: true})
	for setting, want := range map[string]string{
		"fsync": "off", "max_connections": "200", "max_locks_per_transaction": "256", "listen_addresses": "127.0.0.1",
		"unix_socket_directories": "", "server_encoding": "UTF8", "timezone": "UTC",
	} {
		assert.Equal(t, want, query(t, s, "select current_setting('"+setting+"')"), setting)
	}
	assert.Equal(t, "B,a,É", query(t, s, "select string_agg(x, ',' order by x) from unnest('{É,a,B}'::text[]) x"))
	assert.DirExists(t, s.temporary)
	stop(t, s)
	assert.NoDirExists(t, s.temporary)
}

func TestStart_pidFileOfAnUnrelatedProcess(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: openDir(t)}
	first := start(t, cfg)
	putNote(t, first, "remember")
	postmaster := postmasterPID(t, cfg.Dir)
	kill(t, first.supervisor.Process.Pid)
	kill(t, postmaster)
	require.Error(t, first.Stop(t.Context()))

	sleeper := startAs(t, filepath.Join(cfg.Dir, "postgres"), "sleep", "600")
	replacePID(t, cfg.Dir, postmaster, sleeper)
	second := start(t, cfg)
	assert.Equal(t, "remember", getNote(t, second))
	require.NoError(t, syscall.Kill(sleeper, 0), "the unrelated process must be left alone")
	stop(t, second)
}

// startAs starts a program as the user who owns the home, until the end of the test. PostgreSQL would not take
// another user's process for one of its own.
func startAs(t *testing.T, home string, program string, args ...string) (pid int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	info, err := os.Stat(home)
	require.NoError(t, err)
	if owner := ownerOf(info); owner != currentAccount() {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(owner.UID), Gid: uint32(owner.GID)},
		}
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func replacePID(t *testing.T, dir string, from, to int) {
	t.Helper()
	path := filepath.Join(dir, "postgres/data/postmaster.pid")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	_, rest, _ := bytes.Cut(content, []byte("\n"))
	require.Equal(t, from, postmasterPID(t, dir))
	require.NoError(t, os.WriteFile(path, fmtPID(to, rest), 0o600))
}

func TestStart_stopsWhatAKilledSupervisorLeft(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: openDir(t)}
	first := start(t, cfg)
	putNote(t, first, "remember")
	postmaster := postmasterPID(t, cfg.Dir)
	kill(t, first.supervisor.Process.Pid)
	require.Error(t, first.Stop(t.Context()))
	require.NotEmpty(t, commandLine(postmaster), "PostgreSQL should be running still")

	second := start(t, cfg)
	assert.Equal(t, "remember", getNote(t, second))
	assert.NotEqual(t, postmaster, postmasterPID(t, cfg.Dir))
	stop(t, second)
}

func TestStart_postgresEndsWithAKilledParent(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	parent, output := startParent(t, dir)
	url, err := output.ReadString('\n')
	require.NoError(t, err)
	_, err = tryQuery(t.Context(), strings.TrimSpace(url), "select 'up'")
	require.NoError(t, err, url)
	postmaster := postmasterPID(t, dir)

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	eventually(t, func() bool { return commandLine(postmaster) == "" })
	stop(t, start(t, Config{Dir: dir}))
}

func TestStart_postgresEndsWithAParentKilledWhileItStarts(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	parent, _ := startParent(t, dir)
	exists := func(name string) func() bool {
		return func() bool { _, err := os.Stat(filepath.Join(dir, "postgres", name)); return err == nil }
	}
	eventually(t, exists("postgres.lock"))
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())

	// The supervisor ends by itself, after PostgreSQL has started all the same; making its data alone can take a minute.
	supervisor, err := waitLock(filepath.Join(dir, "postgres/supervisor.lock"), startTimeout)
	require.NoError(t, err)
	defer func() { _ = supervisor.Close() }()
	postgres, err := tryLock(filepath.Join(dir, "postgres/postgres.lock"))
	require.NoError(t, err, "the supervisor must not end before PostgreSQL")
	require.NoError(t, postgres.Close())
	assert.True(t, exists("postgres.log")(), "PostgreSQL must have started, or nothing is tested")
}

func TestStart_refusesDataThatSomebodyElseRuns(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: openDir(t)}
	s := start(t, cfg)
	data := query(t, s, "show data_directory")
	stop(t, s)

	found := findInstallations(candidateDirs(), programVersion)
	port, err := freePort()
	require.NoError(t, err)
	byHand := startAs(t, filepath.Dir(data), filepath.Join(found[0].root, "bin/postgres"), "-D", data,
		"-c", "unix_socket_directories=", "-p", fmt.Sprint(port))
	pidFile := filepath.Join(data, "postmaster.pid")
	eventually(t, func() bool { content, _ := os.ReadFile(pidFile); return bytes.Contains(content, []byte("ready")) })
	_, err = Start(t.Context(), cfg)
	require.ErrorContains(t, err, "that somebody else started")
	assert.Equal(t, byHand, postmasterPID(t, cfg.Dir), "it must go on")
}

func TestStart_signalsOfTheTerminalDoNotReachPostgres(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: openDir(t)}
	s := start(t, cfg)
	ours, err := syscall.Getpgid(0)
	require.NoError(t, err)
	for _, pid := range []int{s.supervisor.Process.Pid, postmasterPID(t, cfg.Dir)} {
		group, err := syscall.Getpgid(pid)
		require.NoError(t, err)
		assert.NotEqual(t, ours, group)
	}
	require.NoError(t, syscall.Kill(s.supervisor.Process.Pid, syscall.SIGINT))
	require.NoError(t, syscall.Kill(s.supervisor.Process.Pid, syscall.SIGHUP))
	assert.Equal(t, "up", query(t, s, "select 'up'"))
	stop(t, s)
}

func TestStart_busyPort(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = busy.Close() }()
	port := uint32(busy.Addr().(*net.TCPAddr).Port)

	var log bytes.Buffer
	s := start(t, Config{Ephemeral: true, Port: port, Log: slog.New(slog.NewTextHandler(&log, nil))})
	assert.NotEqual(t, port, portOf(t, s))
	assert.Contains(t, log.String(), "is busy")
	assert.Equal(t, "up", query(t, s, "select 'up'"))
	stop(t, s)
}

func TestStart_givenPort(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	require.NoError(t, err)
	s := start(t, Config{Ephemeral: true, Port: port})
	assert.Equal(t, port, portOf(t, s))
	stop(t, s)
}

func TestStart_secondOnTheSameDirFails(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: openDir(t)}
	first := start(t, cfg)
	putNote(t, first, "mine")
	_, err := Start(t.Context(), cfg)
	require.ErrorContains(t, err, "another one is running")
	assert.Equal(t, "mine", getNote(t, first))
	stop(t, first)
}

func TestStart_waitsForThePreviousRun(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: openDir(t)}
	first := start(t, cfg)
	putNote(t, first, "remember")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, first.Stop(ended), context.Canceled)
	second := start(t, cfg)
	assert.Equal(t, "remember", getNote(t, second))
	stop(t, first)
	stop(t, second)
}

func TestStart_cancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	dir := openDir(t)
	_, err := Start(ctx, Config{Dir: dir, Ephemeral: true})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	eventually(t, func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) == 0
	})
}

func TestStart_errorCarriesTheLogOfPostgres(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{Ephemeral: true, Parameters: map[string]string{"work_mem": "a lot"}})
	require.ErrorContains(t, err, `invalid value for parameter "work_mem"`)
	assert.Less(t, len(err.Error()), 3000)
}

func TestStart_failedFirstStartIsRepeated(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	_, err := Start(t.Context(), Config{Dir: dir, Parameters: map[string]string{"work_mem": "a lot"}})
	require.Error(t, err)
	require.FileExists(t, filepath.Join(dir, "postgres/unfinished"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "postgres/data/global"))) // as if initdb had been killed
	stop(t, start(t, Config{Dir: dir}))
	assert.NoFileExists(t, filepath.Join(dir, "postgres/unfinished"))
}

func TestStart_dirInAClosedDirectory(t *testing.T) {
	t.Parallel()
	if !currentAccount().isRoot() {
		t.Skip("only root runs PostgreSQL as another user, whom a directory may be closed to")
	}
	closed := openDir(t)
	require.NoError(t, os.Chmod(closed, 0o700))
	var log bytes.Buffer
	cfg := Config{Dir: filepath.Join(closed, ".data"), Log: slog.New(slog.NewTextHandler(&log, nil))}
	first := start(t, cfg)
	putNote(t, first, "remember")
	home := filepath.Dir(query(t, first, "show data_directory"))
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	assert.Contains(t, log.String(), home)
	stop(t, first)

	second := start(t, cfg)
	assert.Equal(t, "remember", getNote(t, second))
	assert.NotContains(t, home, closed)
	stop(t, second)
}
