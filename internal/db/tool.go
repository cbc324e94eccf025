package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Raw runs statements that are no generated queries. It is for tools that fill or measure a whole tenant
// (internal/seed, internal/plans); a domain has no use for it.
type Raw interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

var errRehearsed = errors.New("rehearsed")

// Rehearse runs work once, in a transaction of the scope that is rolled back in any case.
func (d *DB) Rehearse(ctx context.Context, scope Scope, opts Options, work func(ctx context.Context, raw Raw) error) error {
	opts.Attempts = 1
	err := d.InTx(ctx, scope, opts, func(ctx context.Context, _ *Queries) error {
		conn, err := transactionOf(ctx).connection(ctx)
		if err != nil {
			return err
		}
		if err := work(ctx, conn); err != nil {
			return err
		}
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		return nil
	}
	return err
}

// Load runs work once, in a transaction in the tenant's schema as the owner of its tables, and commits. Only the owner may
// COPY into tables with row-level security, and empty them.
func (d *DB) Load(ctx context.Context, tenant uuid.UUID, opts Options, work func(ctx context.Context, raw Raw) error) error {
	opts.Attempts = 1
	return d.InTx(ctx, Tenant(tenant), opts, func(ctx context.Context, _ *Queries) error {
		conn, err := transactionOf(ctx).connection(ctx)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "set local role none"); err != nil {
			return fmt.Errorf("become the owner: %w", err)
		}
		return work(ctx, conn)
	})
}

// Vacuum brings statistics and visibility of a tenant's tables up to date, as autovacuum does after a while.
func (d *DB) Vacuum(ctx context.Context, tenant uuid.UUID) error {
	conn, err := d.primary.acquire(ctx, tenant)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.release(ctx)
	rows, err := conn.Query(ctx, "select format('%I.%I', schemaname, tablename) from pg_catalog.pg_tables where schemaname = $1 order by tablename", SchemaName(tenant))
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	if len(tables) == 0 {
		return nil // without a name it would be the whole database
	}
	// One statement: at its end PostgreSQL reads the catalogue of all tenants, once.
	if _, err := conn.Exec(ctx, "vacuum (analyze) "+strings.Join(tables, ", ")); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	return nil
}
