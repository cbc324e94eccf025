package devdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Is a PostgreSQL of ours still running on this home? The number in postmaster.pid is no proof: after a kill -9 it
// stays, and may meanwhile be another process's. So PostgreSQL's processes inherit a lock, which is free exactly when
// they are all gone.

// postgresLock is that lock while the supervisor holds it to pass it on.
type postgresLock struct{ own, inherited *os.File }

func (c *cluster) lockPath() string { return c.path("postgres.lock") }

// lockForPostgres makes the processes that are started from now on hold the lock.
func (c *cluster) lockForPostgres() (postgresLock, error) {
	own, err := tryLock(c.lockPath())
	if err != nil {
		return postgresLock{}, fmt.Errorf("a PostgreSQL is running on %s: %w", c.dataDir(), err)
	}
	inherited, err := inherit(own)
	if err != nil {
		_ = own.Close()
		return postgresLock{}, err
	}
	return postgresLock{own, inherited}, nil
}

func (l postgresLock) release() {
	_, _ = l.own.Close(), l.inherited.Close()
}

// stopLeftover stops a PostgreSQL whose supervisor was killed or failed, and returns when nothing of it is left.
func (c *cluster) stopLeftover() error {
	attempts := []struct {
		signal syscall.Signal // see pg_ctl: smart, fast and immediate shutdown
		wait   time.Duration
	}{
		{0, time.Second / 2}, // perhaps it is just ending
		{syscall.SIGINT, 30 * time.Second},
		{syscall.SIGQUIT, 10 * time.Second},
	}
	for _, a := range attempts {
		if pid, alive := c.postmaster(); alive && a.signal != 0 {
			_ = syscall.Kill(pid, a.signal) // it may be gone by now
		}
		lock, err := waitLock(c.lockPath(), a.wait)
		if err == nil {
			return lock.Close()
		}
		if !errors.Is(err, errLocked) {
			return err
		}
	}
	return fmt.Errorf("a PostgreSQL from an earlier run on %s does not stop: stop it by hand, then try again", c.dataDir())
}

// removeStalePID removes the pid file of a PostgreSQL that is gone: if another process has its number by now,
// PostgreSQL would refuse to start. It is called when no PostgreSQL of ours is running, and fails if there is one that
// somebody started by hand. Should that go unnoticed, PostgreSQL itself still refuses, by its shared memory.
func (c *cluster) removeStalePID() error {
	if pid, alive := c.postmaster(); alive {
		return fmt.Errorf("process %d is a PostgreSQL on %s that somebody else started: stop it first", pid, c.dataDir())
	}
	if err := os.RemoveAll(c.pidFile()); err != nil {
		return fmt.Errorf("remove the pid file of an earlier run: %w", err)
	}
	return nil
}

func (c *cluster) pidFile() string { return filepath.Join(c.dataDir(), "postmaster.pid") }

// postmaster returns the process named in the pid file, and whether it is a PostgreSQL on this data.
func (c *cluster) postmaster() (pid int, alive bool) {
	content, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 {
		return 0, false
	}
	return pid, strings.Contains(commandLine(pid), "-D "+c.dataDir())
}

// commandLine is a process's program and arguments, "" if there is no such process.
func commandLine(pid int) string {
	if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil { // Linux
		return string(bytes.ReplaceAll(raw, []byte{0}, []byte{' '}))
	}
	output, _ := runProgram("ps", "-o", "args=", "-p", strconv.Itoa(pid)) // fails if there is none
	return output
}
