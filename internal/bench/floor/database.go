package floor

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

type server struct {
	config Config
	any    *pgxpool.Pool // for transactions
	inside *pgxpool.Pool // whose connections are in the tenant's schema and role
}

func open(ctx context.Context, c Config) (*server, error) {
	s := &server{config: c}
	var err error
	if s.any, err = s.pool(ctx, func(context.Context, *pgx.Conn) error { return nil }); err != nil {
		return nil, err
	}
	s.inside, err = s.pool(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		schema := db.SchemaName(c.Tenant)
		_, err := conn.Exec(ctx, "select set_config('search_path', $1, false), set_config('role', $1, false)", schema)
		return err
	})
	return s, err
}

func (s *server) pool(ctx context.Context, begin func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.MaxConns = s.config.Conns
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		db.RegisterTypes(conn.TypeMap())
		return begin(ctx, conn)
	}
	return pgxpool.NewWithConfig(ctx, config)
}

func (s *server) close() {
	s.any.Close()
	s.inside.Close()
}

func (s *server) inSchema(ctx context.Context, id uuid.UUID) (gendb.StudentRecord, error) {
	conn, err := s.inside.Acquire(ctx)
	if err != nil {
		return gendb.StudentRecord{}, err
	}
	defer conn.Release()
	return gendb.New(conn).GetStudent(ctx, id)
}

// inTx runs work in a transaction.
func (s *server) inTx(ctx context.Context, work func(context.Context, *gendb.Queries) error) (err error) {
	conn, err := s.any.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = conn.Exec(context.WithoutCancel(ctx), "rollback")
		}
	}()
	if err := Enter(ctx, conn, s.config); err != nil {
		return err
	}
	if err := work(ctx, gendb.New(Statements{conn})); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "commit")
	return err
}

// Enter chooses the tenant's schema and role, and says who writes, until the end of the transaction.
func Enter(ctx context.Context, on gendb.DBTX, c Config) error {
	actor := fmt.Sprintf(`{"kind": "user", "action": "floor", "user": %q, "address": "127.0.0.1"}`, c.User)
	_, err := on.Exec(ctx, "select set_config('search_path', $1, true), set_config('role', $1, true), set_config('rollcall.actor', $2, true)",
		db.SchemaName(c.Tenant), actor)
	return err
}

// Statements run generated queries as the service does: without the filters that are not set (db.Variant).
type Statements struct{ gendb.DBTX }

// Query runs a query.
func (s Statements) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return s.DBTX.Query(ctx, variant(sql, args), args...)
}

// QueryRow runs a query.
func (s Statements) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.DBTX.QueryRow(ctx, variant(sql, args), args...)
}

// Exec runs a statement.
func (s Statements) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return s.DBTX.Exec(ctx, variant(sql, args), args...)
}

// variants are the statements that run, by the generated ones: each query here has the same filters every time.
var variants sync.Map

func variant(sql string, args []any) string {
	if known, ok := variants.Load(sql); ok {
		return known.(string) //nolint:forcetypeassert // nothing else is in the map
	}
	text, _ := db.Variant(sql, func(n int) bool { return isNil(args[n-1]) })
	variants.Store(sql, text)
	return text
}

func isNil(arg any) bool {
	switch v := arg.(type) {
	case *uuid.UUID:
		return v == nil
	case *string:
		return v == nil
	}
	return arg == nil
}
