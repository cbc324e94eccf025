package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sender sends the statements of generated queries, and is told when their replies are read.
type sender interface {
	send(ctx context.Context, work []statement) (*replies, error)
	done(r *replies) error
}

// statements runs generated queries, each as the variant for its arguments.
type statements struct{ sender }

func (s statements) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r, err := s.send(ctx, []statement{variantFor(sql, args)})
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := r.exec()
	return tag, first(err, s.done(r))
}

func (s statements) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	r, err := s.send(ctx, []statement{variantFor(sql, args)})
	if err != nil {
		return nil, err
	}
	found, err := r.rows()
	if err != nil {
		return nil, first(err, s.done(r))
	}
	return &rows{Rows: found, end: func(err error) error { return first(r.note(err), s.done(r)) }}, nil
}

func (s statements) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	found, err := s.Query(ctx, sql, args...)
	return row{found, err}
}

func (s statements) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if b.Len() == 0 {
		return &batch{err: errNoReply}
	}
	work := make([]statement, b.Len())
	for i, q := range b.QueuedQueries {
		work[i] = statement{sql: q.SQL, args: q.Arguments}
	}
	r, err := s.send(ctx, work)
	return &batch{sender: s.sender, replies: r, err: err}
}

// first is the first error that there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// rows are the rows of a statement; their end is that of its exchange.
type rows struct {
	pgx.Rows

	end func(err error) error // nil when it has come
	err error
}

func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *rows) Close() {
	r.Rows.Close()
	if r.end != nil {
		r.err, r.end = r.end(r.Rows.Err()), nil
	}
}

func (r *rows) Err() error { return first(r.Rows.Err(), r.err) }

// row is the one row of a statement.
type row struct {
	pgx.Rows

	err error
}

func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.Close()
	if !r.Next() {
		return first(r.Err(), pgx.ErrNoRows)
	}
	if err := r.Rows.Scan(into...); err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	r.Close()
	return r.Err()
}

var errNoReply = errors.New("the batch has no more replies")

// batch are the replies to a batch.
type batch struct {
	sender

	replies *replies
	err     error
}

func (b *batch) Exec() (pgconn.CommandTag, error) {
	if b.err != nil {
		return pgconn.CommandTag{}, b.err
	}
	return b.replies.exec()
}

func (b *batch) Query() (pgx.Rows, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.replies.rows()
}

func (b *batch) QueryRow() pgx.Row {
	found, err := b.Query()
	return row{found, err}
}

// Tx is for results that begin a transaction, which these do not.
func (*batch) Tx() pgx.Tx { return nil }

func (b *batch) Close() error {
	switch {
	case errors.Is(b.err, errNoReply):
		return nil
	case b.err == nil:
		err := b.done(b.replies)
		b.err = first(err, errNoReply)
		return err
	}
	return b.err
}
