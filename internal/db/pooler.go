package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Pooler says whether a pooler in transaction mode stands between this program and PostgreSQL. Then statements cannot be
// prepared by name, because the next transaction may be on another connection, and settings of the connection belong to
// whoever made it.
type Pooler string

// The answers. PoolerAuto, the default, finds out at the first connection.
const (
	PoolerAuto      Pooler = "auto"
	PoolerNone      Pooler = "none"
	PoolerPgBouncer Pooler = "pgbouncer"
)

// detector knows the pooler of one server. It is asked before each connection.
type detector struct {
	mu     sync.Mutex
	pooler Pooler
	log    *slog.Logger
}

func (d *detector) beforeConnect(ctx context.Context, config *pgx.ConnConfig) error {
	pooler, err := d.known(ctx, config)
	if err != nil {
		return err
	}
	if pooler == PoolerPgBouncer {
		// Parameters and results keep their types, as with prepared statements, but the statement has no name.
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return nil
	}
	// A connection outside a transaction of ours sees no table at all. PgBouncer would refuse the parameter.
	config.RuntimeParams["search_path"] = ""
	// What is prepared is planned once (filter.go says what is not). Such a plan does not know how few rows there will be, and would
	// start workers for a handful; and one request should not take the processors of others.
	config.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.RuntimeParams["max_parallel_workers_per_gather"] = "0"
	config.RuntimeParams["jit"] = "off" // nor is any statement so long that compiling it would pay
	return nil
}

func (d *detector) known(ctx context.Context, config *pgx.ConnConfig) (Pooler, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pooler != PoolerAuto {
		return d.pooler, nil
	}
	pooled, err := isPooled(ctx, config)
	if err != nil {
		return "", err
	}
	d.pooler = PoolerNone
	if pooled {
		d.pooler = PoolerPgBouncer
		d.log.Info("a connection pooler stands before PostgreSQL; statements are not prepared by name")
	}
	return d.pooler, nil
}

// isPooled makes a connection to see whose it is: a pooler tells its clients process ids of its own making.
func isPooled(ctx context.Context, config *pgx.ConnConfig) (pooled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	probe := config.Copy()
	probe.Tracer = nil // it is no statement of the transaction that waits for a connection
	probe.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, probe)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var pid uint32
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return false, fmt.Errorf("look for a pooler: %w", err)
	}
	return pid != conn.PgConn().PID(), nil
}
