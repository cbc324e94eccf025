package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// transaction is one try of a transaction on a connection. What it says to the server, exchange by exchange:
//
//	begin, enter the scope, the first statement │ statement │ ... │ statement │ commit
//
// A statement that the connection has not seen before needs the tables to be in sight: begin goes before it then, on its own. And
// commit travels with the last statement where work says which one that is (Last). So a read of one statement is one exchange.
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
	planEach  bool     // the server makes a plan for each execution from now on
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

// implicitly reports whether the transaction needs neither begin nor commit when it is one exchange: that is a transaction by
// itself, but one that cannot be told apart from a failed one if it writes and its end is not heard.
func (o Options) implicitly() bool { return o.ReadOnly && o.Isolation == ReadCommitted }

// exchange sends statements, and reads the replies to those of the opening.
func (t *transaction) exchange(ctx context.Context, opening []step, work []statement) (*replies, error) {
	if !t.planEach && t.line.byName && slices.ContainsFunc(work, func(s statement) bool { return s.planEach }) {
		opening, t.planEach = append(opening, step{statement: statement{sql: planEach}, inside: true, read: executed}), true
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
	if r != t.last {
		return t.ended(r, r.close())
	}
	if t.implicit {
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

var beginStatements = map[Isolation]string{
	ReadCommitted:  "begin isolation level read committed",
	RepeatableRead: "begin isolation level repeatable read",
	Serializable:   "begin isolation level serializable",
}

// readOnly is the ending of one that begins a read-only transaction.
const readOnly = " read only"

const commitStatement = "commit"

// planEach takes back for a transaction that a plan is made once (pooler.go).
const planEach = "select set_config('plan_cache_mode', 'force_custom_plan', true)"

func (o Options) begin() string {
	if o.ReadOnly {
		return beginStatements[o.Isolation] + readOnly
	}
	return beginStatements[o.Isolation]
}

// enterTenant selects the tenant's schema, a role of it, what that may see and who it is, for this transaction only, if the registry
// and the catalogue know them. If not it fails, for want of the role, so that nothing that travels with it is run. A missing
// schema would be silent otherwise, and a missing role (a dump restored on another server; `migrate up` makes it again) an
// error that looks like bad input. set_config with arguments, never SET with a name pasted in: arguments cannot be code.
// What the registry says of the tenant's sessions is handed on in the same way (queries/auth.sql), since the tenant's role
// cannot read it.
//
// What a transaction has no use for is not set: an actor when it only reads, and what it may see when that is everything.
const enterTenant = `select set_config('search_path', $1, true), set_config('role', case when t.id is null then 'nobody: no such tenant' else $2 end, true),
	set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true),
	set_config('rollcall.require_mfa', t.require_mfa::text, true),
	set_config('rollcall.sessions_since', coalesce(t.sessions_since::text, ''), true)`

const enterControl = `select set_config('search_path', 'control', true), '',
	set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true), set_config('rollcall.actor', $3, true)`

const (
	enterToStay = `, set_config('idle_in_transaction_session_timeout', $3, true)` // between exchanges
	enterToRead = `, set_config('transaction_read_only', 'on', true)`             // without a begin that says so

	enterAsActor = `, set_config('rollcall.actor', $6, true)`
	enterLimited = `, set_config('rollcall.actor', $6, true), set_config('rollcall.institutions', $7, true),
	set_config('rollcall.teacher', $8, true), set_config('rollcall.guardian', $9, true)`
	ifThereIsOne = `
from (select) as once left join control.tenants t
	on t.id = $5 and t.status = 'active' and to_regnamespace($1) is not null and to_regrole($2) is not null`

	enterControlToStay = `, set_config('idle_in_transaction_session_timeout', $1, true)`
)

// entrances are the statements that enter a scope; the first of each is for a transaction with begin and commit, the second for one
// of one exchange.
var entrances = struct{ control, all, actor, limited [2]string }{
	control: [2]string{enterControl + enterControlToStay, enterControl + enterToRead},
	all:     [2]string{enterTenant + enterToStay + ifThereIsOne, enterTenant + enterToRead + ifThereIsOne},
	actor:   [2]string{enterTenant + enterToStay + enterAsActor + ifThereIsOne, enterTenant + enterToRead + enterAsActor + ifThereIsOne},
	limited: [2]string{enterTenant + enterToStay + enterLimited + ifThereIsOne, enterTenant + enterToRead + enterLimited + ifThereIsOne},
}

// noSuchRole is what enterTenant fails with.
const noSuchRole = "22023"

// step is a statement of the opening.
type step struct {
	statement

	inside bool // needs tables of the tenant
	read   func(r *replies) error
}

// knowsInside reports whether no step must be described where tables of the tenant are in sight.
func (t *transaction) knowsInside(steps []step) bool {
	return !slices.ContainsFunc(steps, func(s step) bool { return s.inside && t.line.description(s.sql) == nil })
}

// opening are the steps that begin the transaction.
func (t *transaction) opening(ctx context.Context) ([]step, error) {
	enter, err := t.enter(ctx)
	if err != nil {
		return nil, err
	}
	g := t.guard(ctx)
	opening := make([]step, 0, 4)
	if !t.implicit {
		opening = append(opening, step{statement: statement{sql: t.opts.begin()}, read: executed})
	}
	opening = append(opening, step{statement: enter, read: func(r *replies) error { return t.entered(r, g) }})
	if t.opts.position == "" && notesPosition(ctx) {
		opening = append(opening, step{statement: statement{sql: selectPosition}, read: func(r *replies) error { return notePosition(ctx, r) }})
	}
	if g == nil {
		return opening, nil
	}
	if g.Tenant != t.scope.tenant {
		return nil, ErrStale // it can only be asked there
	}
	asks, err := g.statement(ctx)
	return append(opening, step{statement: asks, inside: true, read: g.answered}), err
}

func executed(r *replies) error {
	_, err := r.exec()
	return err
}

// entered reads the reply to what enters the scope.
func (t *transaction) entered(r *replies, g *Guard) error {
	err := executed(r)
	switch {
	case t.scope == Control || sqlState(err) != noSuchRole:
		return err
	case g != nil:
		return ErrStale // the tenant was suspended meanwhile
	}
	return ErrTenantUnavailable
}

// enter is the statement that enters the scope.
func (t *transaction) enter(ctx context.Context) (statement, error) {
	timeout, lock := t.db.timeouts(ctx)
	way, v := 0, t.view
	if t.implicit {
		way = 1
	}
	if t.scope != Control && t.opts.ReadOnly && t.scope.seesAll() {
		return statement{sql: entrances.all[way], args: []any{v.schema, v.role, timeout, lock, t.scope.tenant}}, nil
	}
	actor, err := actorSetting(ctx)
	if err != nil {
		return statement{}, err
	}
	if t.scope == Control {
		return statement{sql: entrances.control[way], args: []any{timeout, lock, actor}}, nil
	}
	args := []any{v.schema, v.role, timeout, lock, t.scope.tenant, actor}
	if t.scope.seesAll() {
		return statement{sql: entrances.actor[way], args: args}, nil
	}
	return statement{sql: entrances.limited[way], args: append(args, v.institutions, v.teacher, v.guardian)}, nil
}

// timeouts are the server's own limits in milliseconds. They end a statement, or a transaction that says nothing more,
// even when nobody is left to cancel it, and a little after ours, so that the client's deadline speaks first.
func (d *DB) timeouts(ctx context.Context) (statement, lock string) {
	left := d.config.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	left = max(left, time.Millisecond)
	grace := left + 500*time.Millisecond
	return milliseconds(grace), milliseconds(min(left, d.config.LockTimeout))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
