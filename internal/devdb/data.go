package devdb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The first start takes a second or more, and may be killed in its midst. The file "unfinished" is there for exactly
// that long, so half a cluster is never taken for a whole one, nor a whole one for half.

func (c *cluster) unfinished() string { return c.path("unfinished") }

// discardUnfinished removes what a first start that did not succeed has left. Nobody has got its URL, so there is
// nothing of anybody's in it.
func (c *cluster) discardUnfinished() error {
	if _, err := os.Stat(c.unfinished()); err != nil {
		return nil //nolint:nilerr // there is no such file, so the first start succeeded
	}
	for _, name := range []string{"data", "programs", "password"} {
		if err := os.RemoveAll(c.path(name)); err != nil {
			return fmt.Errorf("remove an unfinished cluster: %w", err)
		}
	}
	return nil
}

// finish notes that the first start has succeeded.
func (c *cluster) finish() error {
	if err := os.Remove(c.unfinished()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("finish the first start: %w", err)
	}
	return nil
}

// dataMajor is the version of PostgreSQL that made the data; 0 if there is none yet. Data without a readable version
// is an error: the library would delete it.
func (c *cluster) dataMajor() (int, error) {
	entries, err := os.ReadDir(c.dataDir())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the data directory: %w", err)
	}
	version, err := os.ReadFile(filepath.Join(c.dataDir(), "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("%s is not empty, and no data of PostgreSQL: move it away (%w)", c.dataDir(), err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(version)))
	if err != nil {
		return 0, fmt.Errorf("%s has no version that is understood: move it away (%w)", c.dataDir(), err)
	}
	return major, nil
}

// chooseBinaries finds the PostgreSQL to run. One that does not fit existing data is refused.
func (c *cluster) chooseBinaries() error {
	dataMajor, err := c.dataMajor()
	if err != nil {
		return err
	}
	c.binaries, err = chooseInstallation(findInstallations(c.binDirs(), programVersion), dataMajor)
	if err != nil {
		return fmt.Errorf("the data in %[1]s cannot be used: %[2]w. Nothing was changed. Install PostgreSQL %[3]d%[4]s, "+
			"use another data directory, set DATABASE_URL, or delete %[1]s to start afresh",
			c.Home, err, max(dataMajor, minMajor), upgradeHint(dataMajor))
	}
	if c.binaries.root != "" {
		return nil
	}
	note := fmt.Sprintf("PostgreSQL is not installed; taking PostgreSQL %d from the Internet, once", c.binaries.major)
	send(message{Note: note})
	c.downloaded, err = downloadCache()
	return err
}

// upgradeHint is for data of versions that the project does not run on.
func upgradeHint(dataMajor int) string {
	if dataMajor >= minMajor {
		return ""
	}
	return " or newer and convert the data with pg_upgrade"
}

// loadPassword reads the cluster's password, or makes one for a cluster that is to be.
func (c *cluster) loadPassword() error {
	major, err := c.dataMajor()
	if err != nil {
		return err
	}
	if major == 0 {
		return c.makePassword()
	}
	password, err := os.ReadFile(c.path("password"))
	if err != nil {
		return fmt.Errorf("read the password of the database: %w; restore it, or delete %s to start afresh", err, c.Home)
	}
	c.password = string(password)
	return nil
}

// makePassword begins the first start.
func (c *cluster) makePassword() error {
	c.password = rand.Text()
	err := os.WriteFile(c.unfinished(), nil, 0o600)
	if err == nil {
		err = os.WriteFile(c.path("password"), []byte(c.password), 0o600)
	}
	if err != nil {
		return fmt.Errorf("prepare a new database: %w", err)
	}
	return nil
}

// emptyTmp provides the directory for the library's log file, which it never removes.
func (c *cluster) emptyTmp() error {
	if err := os.RemoveAll(c.path("tmp")); err != nil {
		return fmt.Errorf("empty the temporary directory: %w", err)
	}
	if err := os.Mkdir(c.path("tmp"), 0o700); err != nil {
		return fmt.Errorf("make the temporary directory: %w", err)
	}
	return nil
}

// keepLog gives the log of this start a lasting name, and returns what is in it. PostgreSQL goes on to write there.
func (c *cluster) keepLog() string {
	files, _ := filepath.Glob(c.path("tmp/embedded_postgres_log*"))
	if len(files) == 0 {
		return ""
	}
	log := c.path("postgres.log")
	if err := os.Rename(files[0], log); err != nil {
		log = files[0]
	}
	text, _ := os.ReadFile(log) // an empty log is better than no error message
	return string(text)
}

// explain makes the library's error readable: it repeats the whole log, or has nothing of it.
func (c *cluster) explain(err error, log string) error {
	if c.downloaded != "" && !hasPrograms(c.path("programs/bin")) {
		return fmt.Errorf("PostgreSQL is not installed, and the download failed (%w): %w", err, errNoPostgres)
	}
	reason, _, _ := strings.Cut(err.Error(), "\n")
	if log == "" {
		return errors.New(reason)
	}
	return fmt.Errorf("%s\nthe end of its log:\n%s", reason, lastLines(log, 20))
}

// lastLines is the end of a text, at most n lines.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
