package devdb

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// errLocked says that somebody else has the lock.
var errLocked = errors.New("locked")

const pollInterval = 20 * time.Millisecond

// tryLock takes the lock that a file stands for, or returns errLocked. The kernel releases it when the returned file
// is closed and all processes that inherited a copy of it have ended, however they end.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// waitLock is tryLock that waits for the other one to end.
func waitLock(path string, timeout time.Duration) (*os.File, error) {
	deadline := time.Now().Add(timeout)
	for {
		f, err := tryLock(path)
		if !errors.Is(err, errLocked) || time.Now().After(deadline) {
			return f, err
		}
		time.Sleep(pollInterval)
	}
}

// inherit returns a copy of a file that, unlike all that Go opens, every process started from now on inherits.
func inherit(f *os.File) (*os.File, error) {
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("copy the lock: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
