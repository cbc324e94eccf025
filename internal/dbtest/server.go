package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/devdb"
)

// urlVariable names a server to use instead of starting one.
const urlVariable = "ROLLCALL_TEST_DATABASE_URL"

// parallelDDL is how many databases are created or dropped at once; more only wait for the disk and each other.
const parallelDDL = 3

// server is the PostgreSQL of this test process.
type server struct {
	url   *url.URL
	admin *pgxpool.Pool // creates and drops databases
	own   *devdb.Server // nil when it was there before us
}

// theServer starts or finds the server when it is first called.
var theServer = sync.OnceValues(func() (*server, error) {
	if !mainCalled {
		return nil, errors.New("call dbtest.Main in TestMain")
	}
	// Not a test's context: the server outlives the test that happens to be the first.
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	s := &server{}
	address := os.Getenv(urlVariable)
	if address == "" {
		var err error
		if s.own, err = devdb.Start(ctx, serverConfig()); err != nil {
			return nil, err
		}
		address = s.own.URL()
	}
	started = s
	return s, s.connect(ctx, address)
})

func serverConfig() devdb.Config {
	// The log of changes is kept small, because it may lie in memory.
	return devdb.Config{Ephemeral: true, Dir: memoryDir(), Parameters: map[string]string{"max_wal_size": "128MB"}}
}

// memoryDir is a file system in memory if there is one with room: a database has hundreds of files, and to create and
// remove them takes 15 ms there and up to 300 ms on a disk. Empty leaves the choice to devdb.
func memoryDir() string {
	const dir, room = "/dev/shm", 1 << 30 // a container has 64 MB by default
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || uint64(fs.Bsize)*fs.Bavail < room {
		return ""
	}
	return dir
}

// started is what stopServer has to stop; the tests have ended when it is read.
var started *server

func (s *server) connect(ctx context.Context, address string) (err error) {
	if s.url, err = url.Parse(address); err != nil || !strings.HasPrefix(s.url.Scheme, "postgres") {
		return fmt.Errorf("%s must be a URL, postgres://user:password@host:port/database", urlVariable)
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return fmt.Errorf("read the server's URL: %w", err)
	}
	config.MaxConns = parallelDDL
	if s.admin, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	return nil
}

func stopServer(ctx context.Context) error {
	if started == nil {
		return nil
	}
	var err error
	if started.own == nil {
		err = dropTemplates(ctx, started)
	}
	if started.admin != nil {
		started.admin.Close()
	}
	if started.own != nil {
		err = errors.Join(err, started.own.Stop(ctx))
	}
	return err
}

// urlOf is the URL of a database on the server.
func (s *server) urlOf(name string) string {
	u := *s.url
	u.Path = "/" + name
	return u.String()
}

func (s *server) create(ctx context.Context, name, template string) error {
	_, err := s.admin.Exec(ctx, "create database "+quote(name)+" template "+quote(template))
	if err != nil {
		return fmt.Errorf("create database %s from %s: %w", name, template, err)
	}
	return nil
}

// drop removes a database and whoever is connected to it, then its users. Roles belong to the server, not to the
// database; on a server that stays, those of the tenants go too.
func (s *server) drop(ctx context.Context, name string, roles ...string) error {
	if s.own == nil {
		roles = append(s.tenantRoles(ctx, name), roles...)
	}
	if _, err := s.admin.Exec(ctx, "drop database if exists "+quote(name)+" with (force)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	for _, role := range roles {
		// Fails while another database has the same tenant; that one's end is the role's.
		_, _ = s.admin.Exec(ctx, "drop role if exists "+quote(role))
	}
	return nil
}

// tenantRoles are the roles of the tenants in a database, as far as its tests have left traces of them.
func (s *server) tenantRoles(ctx context.Context, name string) (roles []string) {
	conn, err := pgx.Connect(ctx, s.urlOf(name))
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, query := range []string{
		`select nspname::text from pg_catalog.pg_namespace where nspname ~ '^t_[0-9a-f]{32}$'`,
		`select 't_' || replace(id::text, '-', '') from control.tenants`,
	} {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			continue
		}
		found, _ := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, role := range found {
			roles = append(roles, role, db.LimitedRole(role), db.InstitutionsRole(role))
		}
	}
	return roles
}

// Other test processes may use the same server, so names begin with something of this process's own.
var (
	processName = "rollcall_test_" + strings.ToLower(rand.Text()[:8])
	names       atomic.Int64
)

func newName(kind string) string { return fmt.Sprintf("%s_%s%d", processName, kind, names.Add(1)) }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
