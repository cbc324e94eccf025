package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// transaction is one try of a transaction on a connection. What it says to the server, exchange by exchange:
//
//	begin, enter the scope, the first statement │ statement │ ... │ statement │ commit
//
// A statement that is not known yet must be described where its tables are in sight: begin goes before it then, on its own. And commit
// travels with the last statement where work says which one that is (Last). So a read of one statement is one exchange, and needs
// neither begin nor commit (implicitly).
type transaction struct {
	db    *DB
	line  *line
	scope Scope
	view  view
	opts  Options

	phase     phase
	begun     bool
	last      *replies // of the exchange that commits
	implicit  bool     // it is that exchange and no more
	planEach  bool     // the server makes a plan for each execution at the moment
	committed bool
	failure   error // the first of an exchange
}

// insideKey marks the context of a transaction, and holds it.
type insideKey struct{}

// transactionOf is the transaction that ctx belongs to.
func transactionOf(ctx context.Context) *transaction {
	return ctx.Value(insideKey{}).(*transaction) //nolint:forcetypeassert // a statement outside a transaction is a fault of ours
}

type (
	lastKey    struct{}
	notLastKey struct{}
)

// Last is the context for the last statement of a transaction: commit travels with it. It is for a statement after which nothing
// can be decided any more, since an error that work returns then comes too late; after a read-only transaction that matters
// to nobody. Statements that follow fail.
func Last(ctx context.Context) context.Context { return context.WithValue(ctx, lastKey{}, true) }

// NotLast is the context for work whose last statement is not the transaction's: whoever hands it on has something to add.
func NotLast(ctx context.Context) context.Context { return context.WithValue(ctx, notLastKey{}, true) }

func isLast(ctx context.Context) bool {
	return ctx.Value(lastKey{}) != nil && ctx.Value(notLastKey{}) == nil
}

var (
	errOver    = errors.New("a statement came after the last one of a transaction")
	errTooLate = errors.New("work failed after its last statement, which has committed")
	errUnread  = errors.New("the replies to the last statement of a transaction were not read")
)

// run runs work and commits. It returns a *txError.
func (t *transaction) run(ctx context.Context, work Func) error {
	if t.opts.position != "" {
		if err := requirePosition(ctx, t.line.conn, t.opts.position); err != nil {
			return t.failed(err)
		}
	}
	err := work(context.WithValue(ctx, insideKey{}, t), gendb.New(statements{t}))
	if t.failure != nil && (t.phase == phaseBegin || t.phase == phaseCommit && (err == nil || outcomeUnknown(t.failed(t.failure)))) {
		return t.failed(t.failure) // whatever work made of it
	}
	switch {
	case t.committed && err != nil && !t.opts.ReadOnly:
		return t.failed(fmt.Errorf("%w: %v", errTooLate, err)) //nolint:errorlint // not what the client should be told
	case err != nil:
		return t.failed(err)
	case t.committed:
		return nil
	case t.last != nil:
		return t.failed(first(t.failure, errUnread))
	}
	return t.commit(ctx)
}

func (t *transaction) failed(err error) *txError {
	return &txError{phase: t.phase, readOnly: t.opts.ReadOnly, err: err}
}

// send sends statements of work, and with them what begins and what ends the transaction.
func (t *transaction) send(ctx context.Context, work []statement) (*replies, error) {
	switch {
	case t.last != nil:
		return nil, errOver
	case t.begun:
		return t.exchange(ctx, nil, work)
	case t.failure != nil:
		return nil, t.failure
	}
	t.implicit = isLast(ctx) && t.opts.implicitly()
	opening, err := t.opening(ctx)
	if err != nil {
		return nil, err
	}
	if !t.knowsInside(opening) || !t.line.knows(work) {
		t.implicit = false
		if err := t.begin(ctx); err != nil {
			return nil, err
		}
		return t.exchange(ctx, nil, work)
	}
	r, err := t.exchange(ctx, opening, work)
	if err == nil {
		t.hasBegun()
	}
	return r, err
}

// implicitly reports whether the transaction needs neither begin nor commit when it is one exchange, which is a transaction by itself.
// One that writes says both, so that it is known how far it has come.
func (o Options) implicitly() bool { return o.ReadOnly && o.Isolation == ReadCommitted }

// exchange sends statements, and reads the replies to those of the opening.
func (t *transaction) exchange(ctx context.Context, opening []step, work []statement) (*replies, error) {
	if each := plansEach(work); each != t.planEach && len(work) > 0 && t.line.byName {
		opening, t.planEach = append(opening, step{statement: planning(each), inside: true, read: executed}), each
	}
	all := t.together(opening, work)
	commits := isLast(ctx)
	if commits && !t.implicit {
		all = append(all, statement{sql: commitStatement})
	}
	if !t.line.knows(all) {
		if err := t.line.describe(ctx, all); err != nil {
			return nil, t.note(err)
		}
	}
	encoded, err := t.line.encode(all)
	if err = first(err, ctx.Err()); err != nil { // here the outcome is certain still
		return nil, err
	}
	if commits && !t.opts.ReadOnly {
		t.phase = phaseCommit
	}
	r, err := t.line.send(ctx, all, encoded)
	if err != nil {
		return nil, t.note(err)
	}
	if commits {
		t.last = r
	}
	for _, s := range opening {
		if err := s.read(r); err != nil {
			return nil, t.refused(r, err)
		}
	}
	return r, nil
}

// together are the statements of an exchange; those inside the scope run as its role.
func (t *transaction) together(opening []step, work []statement) []statement {
	all := make([]statement, 0, len(opening)+len(work)+1)
	for _, s := range opening {
		if s.inside {
			s.role = t.view.role
		}
		all = append(all, s.statement)
	}
	for _, s := range work {
		s.role = t.view.role
		all = append(all, s)
	}
	return all
}

// refused is a transaction that does not begin, and what that means.
func (t *transaction) refused(r *replies, err error) error {
	_ = t.note(first(r.err, err))
	t.failure = err
	_ = r.close()
	return err
}

func (t *transaction) hasBegun() {
	t.begun = true
	if t.scope != Control {
		t.line.tenants[t.scope.tenant] = struct{}{}
	}
	if t.phase == phaseBegin {
		t.phase = phaseWork
	}
}

// note keeps the first failure of an exchange. What the server has answered with an error, it has not committed.
func (t *transaction) note(err error) error {
	if t.failure == nil {
		t.failure = err
	}
	if t.phase == phaseCommit && sqlState(err) != "" && !outcomeUnknown(t.failed(err)) {
		t.phase = phaseWork
		if !t.begun {
			t.phase = phaseBegin
		}
	}
	return err
}

// done reads what comes after the replies to statements of work.
func (t *transaction) done(r *replies) error {
	if r != t.last || t.implicit {
		return t.ended(r, r.close())
	}
	for r.left > 1 && r.err == nil { // what work did not want to know
		_, _ = r.exec()
	}
	tag, err := r.exec()
	if err == nil && tag.String() != "COMMIT" {
		// A statement failed and work went on as if it had not: the server has rolled back.
		t.phase = phaseWork
		err = fmt.Errorf("commit answered %s", tag)
	}
	return t.ended(r, first(err, r.close()))
}

func (t *transaction) ended(r *replies, err error) error {
	if err != nil {
		return t.note(err)
	}
	if r == t.last {
		t.committed, t.phase = true, phaseWork // there is no doubt any more
	}
	return nil
}

// commit ends the transaction on its own; one that has said nothing begins with it.
func (t *transaction) commit(ctx context.Context) error {
	ctx = Last(ctx)
	r, err := t.send(ctx, nil)
	if err == nil {
		err = t.done(r)
	}
	if err != nil {
		return t.failed(err)
	}
	return nil
}

// begin begins the transaction on its own. A step that needs the tenant's tables in sight to be described comes after the others.
func (t *transaction) begin(ctx context.Context) error {
	switch {
	case t.begun:
		return nil
	case t.failure != nil:
		return t.failure
	}
	opening, err := t.opening(ctx)
	if err != nil {
		return err
	}
	outside := len(opening)
	for outside > 0 && !t.knowsInside(opening[outside-1:outside]) {
		outside--
	}
	for _, steps := range [][]step{opening[:outside], opening[outside:]} {
		if len(steps) == 0 {
			continue
		}
		r, err := t.exchange(NotLast(ctx), steps, nil)
		if err == nil {
			err = t.ended(r, r.close())
		}
		if err != nil {
			return err
		}
	}
	t.hasBegun()
	return nil
}

// connection is the connection of the transaction, which has begun.
func (t *transaction) connection(ctx context.Context) (*pgx.Conn, error) {
	return t.line.conn, t.begin(ctx)
}
