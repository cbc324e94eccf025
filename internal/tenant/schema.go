package tenant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

const (
	controlSchema   = "control"
	extensionSchema = "ext"
	// versionTable is where goose notes what it has applied: one table in every schema.
	versionTable = goose.DefaultTablename

	applicationName = "rollcall-migrate"
	// lockTimeout ends a migration that waits for a table in use, before the requests behind it pile up. It is tried
	// again by the next run.
	lockTimeout = 10 * time.Second
	// lockInterval is how often a schema is tried that somebody else is migrating.
	lockInterval = 50 * time.Millisecond
	// unlockTimeout bounds the clean-up, which also happens when the caller's context is over.
	unlockTimeout = 5 * time.Second
)

// lockedSchema is a schema that nobody else creates or migrates meanwhile. The schema itself need not exist yet.
type lockedSchema struct {
	name string
	url  string
	conn *pgx.Conn // holds the lock
}

// lockSchema waits until the schema's lock is free. Locks belong to one database and end with their connection.
//
// It asks again and again: a statement that waits for the lock would hold a snapshot, and whoever has the lock may be building
// an index concurrently, which waits for all snapshots. waiting is called once if the lock is not free; it may be nil.
func lockSchema(ctx context.Context, url, name string, waiting func()) (*lockedSchema, error) {
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	s := &lockedSchema{name: name, url: url, conn: conn}
	if err := s.lock(ctx, waiting); err != nil {
		s.unlock(ctx)
		return nil, fmt.Errorf("lock schema %s: %w", name, err)
	}
	return s, nil
}

func (s *lockedSchema) lock(ctx context.Context, waiting func()) error {
	again := time.NewTicker(lockInterval)
	defer again.Stop()
	for {
		locked, err := s.ask(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", "rollcall "+s.name)
		if err != nil || locked {
			return err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *lockedSchema) unlock(ctx context.Context) { closeConn(ctx, s.conn) }

func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read DATABASE_URL (it should be like postgres://user:password@host:5432/database): %w", err)
	}
	setMigrationParameters(config.RuntimeParams, "") // every name is written with its schema
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database%s: %w", advice(err), err)
	}
	return conn, nil
}

// advice says what may be done when there is no connection.
func advice(err error) string {
	pg, answered := errors.AsType[*pgconn.PgError](err)
	if !answered {
		return " (is it running, and does DATABASE_URL lead to it?)"
	}
	switch pg.Code {
	case protocolViolation: // of PgBouncer, to a parameter that it does not keep track of
		return " (a pooler is no way to it here; DATABASE_DIRECT_URL must lead to PostgreSQL itself)"
	case invalidPassword, invalidAuthorization:
		return " (user and password are those in DATABASE_URL)"
	case invalidCatalogName:
		return " (the database in DATABASE_URL must be there: createdb makes it)"
	}
	return ""
}

// SQLSTATEs, by their names in the PostgreSQL manual, appendix A.
const (
	protocolViolation    = "08P01"
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	invalidCatalogName   = "3D000"
)

func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	_ = conn.Close(ctx) // the server ends the session either way
}

// upgradeControl makes and migrates the schema of the registry and that of the job queue.
func (s *lockedSchema) upgradeControl(ctx context.Context, files fs.FS) error {
	// The extensions have a schema of their own, so that a tenant's search_path stays the tenant's alone.
	for _, name := range []string{controlSchema, extensionSchema} {
		if err := s.createSchema(ctx, name); err != nil {
			return err
		}
	}
	if err := s.migrate(ctx, files, "control"); err != nil {
		return err
	}
	return s.upgradeRiver(ctx)
}

// upgradeTenant makes roles and schema where they are missing, migrates, and has all tables audited. Repeating it does no
// harm. The schema says that it has begun until it is done.
func (s *lockedSchema) upgradeTenant(ctx context.Context, files fs.FS) error {
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return s.createSchema(ctx, s.name) },
		func(ctx context.Context) error { return s.comment(ctx, upgradeBegun) },
		s.createRoles,
		func(ctx context.Context) error { return s.migrate(ctx, files, "tenant") },
		s.audit,
		s.complete,
		func(ctx context.Context) error { return s.comment(ctx, "") },
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// comment says something of the schema; the empty text takes it back.
func (s *lockedSchema) comment(ctx context.Context, text string) error {
	if err := s.exec(ctx, "comment on schema "+quote(s.name)+" is '"+text+"'"); err != nil {
		return fmt.Errorf("note how far schema %s is: %w", s.name, err)
	}
	return nil
}

func (s *lockedSchema) createSchema(ctx context.Context, name string) error {
	if err := s.exec(ctx, "create schema if not exists "+quote(name)); err != nil {
		return fmt.Errorf("create schema %s (the database user needs CREATE on the database): %w", name, err)
	}
	return nil
}

// migrate runs the migrations of a folder that the schema does not have yet. Each is a transaction of its own, but for those that
// build indexes.
func (s *lockedSchema) migrate(ctx context.Context, files fs.FS, folder string) (err error) {
	folderFiles, err := fs.Sub(files, folder)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	pool, err := openSQL(s.url, s.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, folderFiles,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if pending, err := provider.HasPending(ctx); err != nil {
		return fmt.Errorf("look for pending migrations of schema %s: %w", s.name, err)
	} else if !pending {
		return nil
	}
	if err := s.dropInvalidIndexes(ctx); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema %s: %w", s.name, err)
	}
	return nil
}

// openSQL opens the database as goose wants it. Migrations name tables without a schema: search_path says whose.
func openSQL(url, schemaName string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	setMigrationParameters(config.RuntimeParams, quote(schemaName))
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(1)
	return pool, nil
}

// setMigrationParameters says who migrates, where, and how long it waits for a lock. In a catalogue of thousands of tables whose
// statistics are behind, PostgreSQL would compile a question for longer than it takes to answer it.
func setMigrationParameters(parameters map[string]string, searchPath string) {
	parameters["application_name"] = applicationName
	parameters["search_path"] = searchPath
	parameters["lock_timeout"] = fmt.Sprint(lockTimeout.Milliseconds())
	parameters["jit"] = "off"
}

// exec runs a statement without a result.
func (s *lockedSchema) exec(ctx context.Context, statement string) error {
	_, err := s.conn.Exec(ctx, statement)
	return err
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
