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
//
// The files: tx.go is the way of a transaction, transaction.go, enter.go and exchange.go what it says to the server, slots.go, pool.go and
// pooler.go the connections, replica.go which reads may run elsewhere, errors.go and constraint.go what an error means, and scope.go whose rows there are.
package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// Queries are the generated queries, bound to one transaction.
type Queries = gendb.Queries

// Config says how to reach the database and how long to wait for it.
type Config struct {
	URL        string
	ReplicaURL string        // a streaming replica for reads, see replica.go; empty: none
	Pooler     Pooler        // default PoolerAuto
	MaxConns   int32         // default 20, for each server
	MaxTenants int           // that a connection may meet before it is replaced; default 100
	Timeout    time.Duration // a transaction with all its tries; default 5 s
	// LockTimeout bounds waiting for one lock; default 2 s.
	LockTimeout time.Duration
	// ReplicaPatience is how long a read waits for the replica before the primary is asked; default 1 s.
	ReplicaPatience time.Duration
	Retry           resilience.Policy        // default resilience.Database; its condition is retryReason in any case
	Breaker         resilience.BreakerPolicy // default resilience.DatabaseBreaker
	Metrics         *Metrics                 // nil counts nothing
	Tracer          trace.Tracer             // makes spans of transactions and statements; nil: none
	Log             *slog.Logger             // hears when a server is left alone and when it answers again; nil: nobody
}

func (c Config) withDefaults() Config {
	c.Pooler = cmp.Or(c.Pooler, PoolerAuto)
	c.MaxConns = cmp.Or(c.MaxConns, 20)
	c.MaxTenants = cmp.Or(c.MaxTenants, 100)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.LockTimeout = cmp.Or(c.LockTimeout, 2*time.Second)
	c.ReplicaPatience = cmp.Or(c.ReplicaPatience, time.Second)
	if c.Retry.Attempts == 0 {
		c.Retry = resilience.Database
	}
	c.Retry.Retry, c.Retry.Metrics = retryReason, c.Metrics.dependencies()
	if c.Breaker.Failures == 0 {
		c.Breaker = resilience.DatabaseBreaker
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// DB is a pool of connections to the primary, and perhaps one to a replica. It is safe for concurrent use.
type DB struct {
	primary *node
	replica *node // nil: none
	config  Config
	queue   *pgxpool.Pool // of the job queue; nil until River
}

// Open makes the pools. It does not connect: Ping does.
func Open(ctx context.Context, config Config) (*DB, error) {
	config = config.withDefaults()
	d := &DB{config: config}
	var err error
	if d.primary, err = openNode(ctx, config.URL, config, d.newBreaker(config.Breaker, isOutage)); err != nil {
		return nil, err
	}
	if config.ReplicaURL == "" {
		return d, nil
	}
	leaveAlone := func(err error) bool { return isOutage(err) || errors.Is(err, errBehind) }
	if d.replica, err = openNode(ctx, config.ReplicaURL, config, d.newBreaker(resilience.ReplicaBreaker, leaveAlone)); err != nil {
		d.primary.close()
		return nil, fmt.Errorf("the replica: %w", err)
	}
	return d, nil
}

func (d *DB) newBreaker(policy resilience.BreakerPolicy, failed func(error) bool) *resilience.Breaker {
	log := d.config.Log.With("dependency", policy.Dependency)
	return resilience.NewBreaker(policy, resilience.BreakerConfig{
		Failed: failed, Metrics: d.config.Metrics.dependencies(), OnChange: func(open bool) {
			if open {
				log.Warn("it fails and is left alone for a while")
				return
			}
			log.Info("it answers again")
		},
	})
}

// Ping reports whether the primary answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.primary.ping(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	return nil
}

// Close waits for connections in use and closes the pools.
func (d *DB) Close() {
	d.primary.close()
	if d.replica != nil {
		d.replica.close()
	}
	if d.queue != nil {
		d.queue.Close()
	}
}
