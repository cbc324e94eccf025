package db

import (
	"context"
	"errors"
	"iter"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// Together runs pieces of work of a transaction whose statements go to the server in one exchange. Each piece runs one
// generated query, or one batch, and cannot know what the others read; their statements run in the order of the pieces. The
// first error is returned, and the pieces after it see no reply.
func Together(ctx context.Context, pieces ...Func) error {
	t := transactionOf(ctx)
	seats := make([]*seat, len(pieces))
	var all []statement
	for i, piece := range pieces {
		seats[i] = sit(ctx, piece)
		defer seats[i].stand()
		if seats[i].resume() { // it has come to its end without a statement
			if seats[i].err != nil {
				return seats[i].err
			}
			continue
		}
		all = append(all, seats[i].wanted...)
	}
	replies, err := t.send(ctx, all)
	if err != nil {
		return err
	}
	for _, s := range seats {
		s.replies = replies
		if err == nil && !s.over {
			s.resume()
			err = s.err
		}
	}
	return first(err, t.done(replies))
}

// seat is a piece of work that waits, as a coroutine, until the statements of all pieces are sent.
type seat struct {
	wanted  []statement
	replies *replies
	err     error
	over    bool

	wait   func(struct{}) bool
	next   func() (struct{}, bool)
	finish func()
}

func sit(ctx context.Context, piece Func) *seat {
	s := &seat{}
	s.next, s.finish = iter.Pull(func(yield func(struct{}) bool) {
		s.wait = yield
		s.err = piece(ctx, gendb.New(statements{s}))
		s.over = true
	})
	return s
}

// resume goes on with the piece, until it waits or is over.
func (s *seat) resume() (over bool) {
	s.next()
	return s.over
}

// stand ends a piece that still waits.
func (s *seat) stand() { s.finish() }

var (
	errAbandoned = errors.New("a statement before this one failed")
	errOneByOne  = errors.New("work that runs together with other work has one statement")
)

func (s *seat) send(_ context.Context, work []statement) (*replies, error) {
	if s.wanted != nil {
		return nil, errOneByOne
	}
	s.wanted = work
	if !s.wait(struct{}{}) {
		return nil, errAbandoned
	}
	return s.replies, nil
}

func (s *seat) done(*replies) error { return nil }
