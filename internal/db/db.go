// Package db is the only way to the database: a pool, and transactions that run in one tenant's schema.
//
//	err := d.InTx(ctx, db.Tenant(id), db.Options{}, func(ctx context.Context, q *db.Queries) error {
//		return q.CreateUser(ctx, ...)
//	})
//
// InTx begins, points search_path and role at the tenant, runs the callback with the generated queries (gen/db),
// commits, and tries the whole of it again when the database asks for that. The callback gets no pool and no connection,
// so nothing can run outside its transaction or begin another one. Errors come back as apperr, by SQLSTATE and
// constraint name.
//
// A tenant's schema and role are named after its id, so a request needs no look-up to find them; the statement that
// selects them also checks, in the same round trip, that the registry knows the tenant as active. The same statement
// limits the transaction to the rows that its Scope may see: the policies of schema/tenant/00008_visibility.sql do the
// rest, for every statement there is and will be. And it names the Actor of the context, to whom the triggers of
// schema/tenant/00009_audit.sql put down every row that the transaction changes.
package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// Queries are the generated queries, bound to one transaction.
type Queries = gendb.Queries

// Config says how to reach the database and how long to wait for it.
type Config struct {
	URL         string
	MaxConns    int32         // default 20
	Timeout     time.Duration // a transaction with all its tries; default 5 s
	LockTimeout time.Duration // waiting for one lock; default 2 s
	Retry       resilience.Policy
}

func (c Config) withDefaults() Config {
	if c.MaxConns == 0 {
		c.MaxConns = 20
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = 2 * time.Second
	}
	if c.Retry.Attempts == 0 {
		c.Retry = resilience.Database
	}
	return c
}

// DB is a pool of connections. It is safe for concurrent use.
type DB struct {
	pool   *pgxpool.Pool
	config Config
}

// Open makes the pool. It does not connect: Ping does.
func Open(ctx context.Context, config Config) (*DB, error) {
	config = config.withDefaults()
	pc, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	pc.MaxConns = config.MaxConns
	pc.ConnConfig.RuntimeParams["application_name"] = "rollcall"
	pc.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// A connection outside a transaction of ours sees no table at all.
	pc.ConnConfig.RuntimeParams["search_path"] = ""
	pc.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		registerDate(conn.TypeMap())
		registerUTC(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("make the connection pool: %w", err)
	}
	return &DB{pool: pool, config: config}, nil
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.pool.Ping(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	return nil
}

// Close waits for connections in use and closes the pool.
func (d *DB) Close() { d.pool.Close() }
