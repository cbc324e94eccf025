package devdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user who runs PostgreSQL and owns its home.
type account struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// currentAccount is the user who runs this process.
func currentAccount() account {
	return account{UID: os.Geteuid(), GID: os.Getegid()}
}

func (a account) isRoot() bool { return a.UID == 0 }

// serviceAccount is who runs PostgreSQL on a fresh home: the current user, but for root an unprivileged one.
func serviceAccount() (account, error) {
	if current := currentAccount(); !current.isRoot() {
		return current, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		a, err := parseAccount(u)
		if err == nil && !a.isRoot() {
			return a, nil
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody: " +
		"create one, run as another user, or set DATABASE_URL")
}

// parseAccount fails where ids are no numbers, or too large, as macOS' -2 for nobody.
func parseAccount(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return account{UID: int(uid), GID: int(gid)}, nil
}

// ownerOf is the owner of a file.
func ownerOf(info fs.FileInfo) account {
	stat := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // always, on Unix
	return account{UID: int(stat.Uid), GID: int(stat.Gid)}
}

// become gives root away for good. It does nothing in a process that is not root.
func (a account) become() error {
	if !currentAccount().isRoot() {
		return nil
	}
	if a.isRoot() {
		return errors.New("PostgreSQL refuses to run as root")
	}
	// The user goes last: after that the others are no longer allowed.
	err := syscall.Setgroups([]int{a.GID})
	if err == nil {
		err = syscall.Setgid(a.GID)
	}
	if err == nil {
		err = syscall.Setuid(a.UID)
	}
	if err != nil {
		return fmt.Errorf("become user %d, as PostgreSQL refuses to run as root: %w", a.UID, err)
	}
	return nil
}

// canEnter tells whether the account can use files below dir. Only the kernel knows (modes of all parents, ACLs,
// mounts), so a process of that user tries.
func (a account) canEnter(ctx context.Context, dir string) bool {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `cd -- "$1"`, "sh", dir)
	cmd.Dir = "/"
	if currentAccount().isRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)},
		}
	}
	return cmd.Run() == nil
}
