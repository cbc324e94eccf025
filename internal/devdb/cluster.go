package devdb

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	superuser = "postgres"
	// supervisorWait is how long a start waits for the previous run, which may just be shutting down.
	supervisorWait = 5 * time.Second
	// portAttempts bounds how often a port is lost to somebody else between finding it free and listening on it.
	portAttempts = 5
)

// cluster is one data directory and the PostgreSQL on it. The supervisor alone uses it, from one goroutine.
type cluster struct {
	childConfig
	binDirs    func() []string // where to look for installations
	lock       *os.File        // held by the supervisor; a second one for the same home must not start
	binaries   installation
	password   string
	postgres   *embeddedpostgres.EmbeddedPostgres
	downloaded string // the cache, if the binaries are to be downloaded
}

func newCluster(cfg childConfig) *cluster {
	return &cluster{childConfig: cfg, binDirs: candidateDirs}
}

func (c *cluster) path(name string) string { return filepath.Join(c.Home, name) }
func (c *cluster) dataDir() string         { return c.path("data") }

// start starts PostgreSQL and returns its URL. Its errors need no further explanation.
func (c *cluster) start() (string, error) {
	steps := []func() error{
		c.lockHome,
		c.stopLeftover,
		c.discardUnfinished,
		c.chooseBinaries,
		c.removeStalePID,
		c.loadPassword,
		c.setEnvironment,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return "", err
		}
	}
	port, err := c.startOnSomePort()
	if err != nil {
		return "", err
	}
	if err := c.finish(); err != nil {
		return "", errors.Join(err, c.stop())
	}
	return c.url(port), nil
}

// lockHome makes sure that this is the only supervisor of this home.
func (c *cluster) lockHome() error {
	lock, err := waitLock(c.path("supervisor.lock"), supervisorWait)
	if errors.Is(err, errLocked) {
		pid, _ := os.ReadFile(c.path("supervisor.lock")) // only for the message
		return fmt.Errorf("another one is running on %s (process %s): stop it first, use another data directory, "+
			"or set DATABASE_URL", c.Home, pid)
	}
	if err != nil {
		return err
	}
	c.lock = lock
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write the lock: %w", err)
	}
	if _, err := fmt.Fprint(lock, os.Getpid()); err != nil {
		return fmt.Errorf("write the lock: %w", err)
	}
	return nil
}

// setEnvironment sets what initdb and the library take from the environment.
func (c *cluster) setEnvironment() error {
	// Bytewise order is the same on every machine, and serves LIKE from ordinary indexes. The character type is of
	// Unicode where the system has one without a country: lower('É') is 'é' then.
	ctype := "C"
	if locales, err := runProgram("locale", "-a"); err == nil && strings.Contains(strings.ToLower(locales), "c.utf") {
		ctype = "C.UTF-8"
	}
	return errors.Join(
		os.Setenv("LANG", "C"),
		os.Setenv("LC_CTYPE", ctype),
		os.Setenv("HOME", c.Home),
		os.Setenv("TMPDIR", c.path("tmp")), // the library writes PostgreSQL's log there
	)
}

// startOnSomePort starts PostgreSQL on the port that is asked for, or on a free one.
func (c *cluster) startOnSomePort() (uint32, error) {
	port := c.Port
	for attempt := 1; ; attempt++ {
		if port == 0 || !isFree(port) {
			free, err := freePort()
			if err != nil {
				return 0, err
			}
			if port != 0 {
				send(message{Note: fmt.Sprintf("port %d is busy; PostgreSQL takes %d instead", port, free)})
			}
			port = free
		}
		err := c.startOn(port)
		if err == nil {
			return port, nil
		}
		if attempt == portAttempts || isFree(port) {
			return 0, err
		}
	}
}

// startOn starts PostgreSQL on a port. After an error nothing of it is running.
func (c *cluster) startOn(port uint32) error {
	if err := c.emptyTmp(); err != nil {
		return err
	}
	held, err := c.lockForPostgres()
	if err != nil {
		return err
	}
	c.postgres = embeddedpostgres.NewDatabase(c.libraryConfig(port))
	startErr := c.postgres.Start()
	held.release() // now only PostgreSQL itself holds it
	log := c.keepLog()
	if startErr == nil {
		return nil
	}
	return errors.Join(c.explain(startErr, log), c.stopLeftover())
}

// libraryConfig translates to the library's terms. It is given a version that fits the data in any case, for it
// deletes data that does not fit.
func (c *cluster) libraryConfig(port uint32) embeddedpostgres.Config {
	version, binaries := embeddedpostgres.PostgresVersion(fmt.Sprintf("%d.0", c.binaries.major)), c.binaries.root
	if c.downloaded != "" {
		version, binaries = downloads[c.binaries.major], c.path("programs")
	}
	return embeddedpostgres.DefaultConfig().
		Version(version).BinariesPath(binaries).CachePath(c.downloaded).
		DataPath(c.dataDir()).
		RuntimePath(c.path("scratch")). // the library empties it at every start
		Username(superuser).Password(c.password).Database("postgres").
		Port(port).
		Encoding("UTF8").
		StartParameters(c.parameters()).
		StartTimeout(30 * time.Second).
		Logger(nil) // standard output is for messages
}

// parameters are the settings of the server, quoted for the shell that the library passes them through.
func (c *cluster) parameters() map[string]string {
	all := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "", // a socket's path may have about 100 bytes, and ours may be longer
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		// Statements over many tenants' schemas lock many tables at once.
		"max_locks_per_transaction": "256",
	}
	if c.Ephemeral {
		maps.Copy(all, map[string]string{
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
			"max_connections": "200", "shared_buffers": "64MB",
		})
	}
	maps.Copy(all, c.Parameters)
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")
	for name, value := range all {
		all[name] = quote.Replace(value)
	}
	return all
}

func (c *cluster) url(port uint32) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, c.password),
		Host:     fmt.Sprintf("127.0.0.1:%d", port),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// stop stops PostgreSQL and returns when it is gone.
func (c *cluster) stop() error {
	if err := c.postgres.Stop(); err == nil {
		return nil
	}
	return c.stopLeftover()
}

func isFree(port uint32) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // binding a local port does not block
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func freePort() (uint32, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binding a local port does not block
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return uint32(l.Addr().(*net.TCPAddr).Port), nil //nolint:forcetypeassert // it listens on TCP
}
