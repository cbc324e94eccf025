package db

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// ErrStale is a transaction that did not begin because what its request was let in for does not hold any more. Nothing was read
// or written.
var ErrStale = errors.New("what was remembered of the caller does not hold any more")

// stale is what refuse_session fails with (schema/tenant/00018_session_memory.sql).
const stale = "RC001"

// Guard is what a request was let in for from memory. Its first transaction asks the database first, in the same exchange, whether
// that still holds. A guard belongs to one request, whose transactions follow one another.
type Guard struct {
	Tenant uuid.UUID
	Check  Func   // one statement, without rows; it fails with the SQLSTATE RC001
	Held   func() // is told that it holds

	held bool
}

type guardKey struct{}

// WithGuard is ctx whose first transaction asks a guard; nil asks nobody.
func WithGuard(ctx context.Context, g *Guard) context.Context {
	if g == nil && ctx.Value(guardKey{}) == nil {
		return ctx
	}
	return context.WithValue(ctx, guardKey{}, g)
}

// guard is the guard that the transaction must ask; nil: none.
func (t *transaction) guard(ctx context.Context) *Guard {
	g, _ := ctx.Value(guardKey{}).(*Guard)
	if g == nil || g.held {
		return nil
	}
	return g
}

// statement is what the guard asks.
func (g *Guard) statement(ctx context.Context) (statement, error) {
	c := &capture{}
	if err := g.Check(ctx, gendb.New(c)); !errors.Is(err, errCaptured) {
		return statement{}, first(err, errNothingAsked)
	}
	return c.wanted, nil
}

// answered reads the reply to the guard's statement.
func (g *Guard) answered(r *replies) error {
	err := executed(r)
	switch {
	case err == nil:
		g.held = true
		g.Held()
	case sqlState(err) == stale:
		return ErrStale
	}
	return err
}

var (
	errCaptured     = errors.New("the statement is for later")
	errNothingAsked = errors.New("a guard has one statement without rows")
)

// capture keeps the statement of a generated query instead of running it.
type capture struct {
	gendb.DBTX

	wanted statement
}

func (c *capture) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c.wanted = variantFor(sql, args)
	return pgconn.CommandTag{}, errCaptured
}

func (*capture) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errNothingAsked }

func (*capture) QueryRow(context.Context, string, ...any) pgx.Row { return row{nil, errNothingAsked} }
