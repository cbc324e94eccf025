package devdb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// home is the directory with everything of one PostgreSQL, and the user who runs it.
type home struct {
	path  string
	owner account
}

// prepareHome creates the home, or finds the one of an earlier run.
func prepareHome(ctx context.Context, cfg Config) (home, error) {
	service, err := serviceAccount()
	if err != nil {
		return home{}, err
	}
	if cfg.Ephemeral {
		return ephemeralHome(ctx, cfg.Dir, service)
	}
	return keptHome(ctx, cfg, service)
}

// ephemeralHome makes a temporary directory, in dir if that is set and open to the service user.
func ephemeralHome(ctx context.Context, dir string, service account) (home, error) {
	parents := []string{os.TempDir(), "/tmp", "/var/tmp"}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the unprivileged user must enter it
			return home{}, fmt.Errorf("create the directory for PostgreSQL: %w", err)
		}
		parents = slices.Insert(parents, 0, dir)
	}
	for _, parent := range parents {
		path, err := os.MkdirTemp(parent, "rollcall-postgres-")
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err == nil {
			err = handOver(path, service)
		}
		if err == nil && service.canEnter(ctx, path) {
			return home{path: path, owner: service}, nil
		}
		_ = os.RemoveAll(path)
	}
	return home{}, fmt.Errorf("no temporary directory is open to user %d (tried %q): set TMPDIR to one",
		service.UID, parents)
}

// keptHome is Dir/postgres, or if the service user cannot get there, as in /root, a directory of the same meaning
// under /var/tmp.
func keptHome(ctx context.Context, cfg Config, service account) (home, error) {
	if cfg.Dir == "" {
		return home{}, errors.New("no directory given for PostgreSQL's data")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return home{}, fmt.Errorf("find the directory for PostgreSQL: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the unprivileged user must enter it
		return home{}, fmt.Errorf("create the directory for PostgreSQL: %w", err)
	}
	h, err := openHome(filepath.Join(dir, "postgres"), service)
	if err != nil || h.owner.canEnter(ctx, h.path) {
		return h, err
	}
	if err := os.Remove(h.path); err != nil { // with data in it, an empty database elsewhere would surprise
		return home{}, fmt.Errorf("user %d cannot reach the data in %s: open the directories above it with chmod o+x, "+
			"or use another data directory", h.owner.UID, h.path)
	}
	h, err = fallbackHome(ctx, dir, service)
	if err == nil {
		cfg.Log.Warn("the data directory is closed to the user who runs PostgreSQL; the database is kept elsewhere",
			"dir", dir, "uid", service.UID, "database", h.path)
	}
	return h, err
}

// openHome creates the home for the service user, or opens the existing one for whoever owns it: that is who can read
// the data.
func openHome(path string, service account) (home, error) {
	err := os.Mkdir(path, 0o700)
	if err == nil {
		return home{path: path, owner: service}, handOver(path, service)
	}
	if !errors.Is(err, fs.ErrExist) {
		return home{}, fmt.Errorf("create the home of PostgreSQL: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return home{}, fmt.Errorf("open the home of PostgreSQL: %w", err)
	}
	owner := ownerOf(info)
	if !info.IsDir() {
		return home{}, fmt.Errorf("%s is in the way: PostgreSQL's data belongs into a directory of this name", path)
	}
	if current := currentAccount(); !current.isRoot() && owner.UID != current.UID {
		return home{}, fmt.Errorf("%s belongs to user %d: run as that user, or use another data directory", path, owner.UID)
	}
	if owner.isRoot() {
		return adoptHome(path, service)
	}
	return home{path: path, owner: owner}, nil
}

// adoptHome takes a home that root owns. An empty one was left by a start that was killed; in any other there is
// something that is not ours to give away.
func adoptHome(path string, service account) (home, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return home{}, fmt.Errorf("open the home of PostgreSQL: %w", err)
	}
	if len(entries) > 0 {
		return home{}, fmt.Errorf("%s belongs to root, and PostgreSQL refuses to run as root: "+
			"chown -R it to user %d, or use another data directory", path, service.UID)
	}
	return home{path: path, owner: service}, handOver(path, service)
}

// fallbackHome is the same directory in every run for the same dir.
func fallbackHome(ctx context.Context, dir string, service account) (home, error) {
	sum := sha256.Sum256([]byte(dir))
	name := fmt.Sprintf("rollcall-postgres-%x", sum[:8])
	parents := []string{"/var/tmp", os.TempDir(), "/tmp"} // /var/tmp survives a reboot
	open := slices.IndexFunc(parents, func(p string) bool { return service.canEnter(ctx, p) })
	if open < 0 {
		return home{}, fmt.Errorf("%s is closed to user %d, and so is %q: use another data directory",
			dir, service.UID, parents)
	}
	h, err := openHome(filepath.Join(parents[open], name), service)
	if err == nil && h.owner.UID != service.UID {
		// Anybody may create files there, so the name alone is no proof that it is ours.
		err = fmt.Errorf("%s belongs to user %d instead of %d: remove it", h.path, h.owner.UID, service.UID)
	}
	return h, err
}

// handOver gives a directory that we have just created to its user.
func handOver(path string, owner account) error {
	if owner == currentAccount() {
		return nil
	}
	if err := os.Chown(path, owner.UID, owner.GID); err != nil {
		return fmt.Errorf("give %s to the user who runs PostgreSQL: %w", path, err)
	}
	return nil
}
