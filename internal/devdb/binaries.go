package devdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// minMajor is the oldest PostgreSQL that the project supports.
const minMajor = 15

// downloads are the releases to fetch where PostgreSQL is not installed, by major version.
var downloads = map[int]embeddedpostgres.PostgresVersion{
	15: embeddedpostgres.V15,
	16: embeddedpostgres.V16,
	17: embeddedpostgres.V17,
	18: embeddedpostgres.V18,
}

const defaultDownload = 17

var errNoPostgres = errors.New("install PostgreSQL 15 or newer, or set DATABASE_URL")

// installation is a PostgreSQL server on this machine.
type installation struct {
	root  string // the directory with bin/
	major int
}

// findInstallations returns the usable ones among directories named bin, highest version first. version runs a
// program with --version.
func findInstallations(binDirs []string, version func(program string) (string, error)) []installation {
	var found []installation
	for _, dir := range binDirs {
		if filepath.Base(dir) != "bin" || !hasPrograms(dir) {
			continue
		}
		output, err := version(filepath.Join(dir, "postgres"))
		if err != nil {
			continue
		}
		if major := parseMajor(output); major >= minMajor {
			found = append(found, installation{root: filepath.Dir(dir), major: major})
		}
	}
	slices.SortStableFunc(found, func(a, b installation) int { return b.major - a.major })
	return found
}

// hasPrograms tells a server's directory from one with the client programs only.
func hasPrograms(dir string) bool {
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

var majorPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// parseMajor reads "postgres (PostgreSQL) 15.4 (Debian 15.4-1)"; 0 if it cannot.
func parseMajor(version string) int {
	match := majorPattern.FindStringSubmatch(version)
	if match == nil {
		return 0
	}
	major, _ := strconv.Atoi(match[1]) // digits
	return major
}

// candidateDirs lists where distributions put PostgreSQL's programs. Most servers are not in the PATH.
func candidateDirs() []string {
	var dirs []string
	if dir, err := runProgram("pg_config", "--bindir"); err == nil {
		dirs = append(dirs, dir)
	}
	if program, err := exec.LookPath("pg_ctl"); err == nil {
		dirs = append(dirs, filepath.Dir(program))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                   // PGDG on Red Hat and SUSE
		"/usr/lib/postgresql*/bin",                           // SUSE
		"/usr/local/pgsql/bin",                               // built from source
		"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew
		"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
		"/opt/local/lib/postgresql*/bin",                     // MacPorts
		"/usr/local/bin", "/usr/bin",                         // FreeBSD; Fedora, Alpine, Arch
	} {
		matches, _ := filepath.Glob(pattern) // the patterns are valid
		dirs = append(dirs, matches...)
	}
	return dirs
}

func programVersion(program string) (string, error) { return runProgram(program, "--version") }

// runProgram returns what a program prints.
func runProgram(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, name, args...).Output()
	return strings.TrimSpace(string(output)), err
}

// chooseInstallation returns the installation for existing data of version dataMajor (0: there is none yet). found is
// sorted. Without any it returns one with an empty root: that version is to be downloaded.
func chooseInstallation(found []installation, dataMajor int) (installation, error) {
	if len(found) == 0 {
		return chooseDownload(dataMajor)
	}
	if dataMajor == 0 {
		return found[0], nil
	}
	i := slices.IndexFunc(found, func(f installation) bool { return f.major == dataMajor })
	if i < 0 {
		return installation{}, fmt.Errorf("it was made by PostgreSQL %d, and here is only PostgreSQL %d (%s)",
			dataMajor, found[0].major, found[0].root)
	}
	return found[i], nil
}

func chooseDownload(dataMajor int) (installation, error) {
	if dataMajor == 0 {
		return installation{major: defaultDownload}, nil
	}
	if _, ok := downloads[dataMajor]; !ok {
		return installation{}, fmt.Errorf("it was made by PostgreSQL %d, which is not installed", dataMajor)
	}
	return installation{major: dataMajor}, nil
}

// downloadCache is a directory that all clusters of this user share. os.TempDir is not used: Go's tests and
// some shells give every run its own.
func downloadCache() (string, error) {
	path := fmt.Sprintf("/var/tmp/rollcall-postgres-cache-%d", os.Getuid())
	if err := os.Mkdir(path, 0o700); err == nil {
		return path, nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", fmt.Errorf("create a directory for the download of PostgreSQL: %w", err)
	}
	// Programs will be run from it, so nobody else may have made it.
	if !info.IsDir() || ownerOf(info).UID != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s must be a directory that belongs to, and is writable for, user %d only", path, os.Getuid())
	}
	return path, nil
}
