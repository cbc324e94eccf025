package db

import (
	"context"
	"slices"
	"strconv"
	"time"
)

var beginStatements = map[Isolation]string{
	ReadCommitted:  "begin isolation level read committed",
	RepeatableRead: "begin isolation level repeatable read",
	Serializable:   "begin isolation level serializable",
}

// readOnly is the ending of one that begins a read-only transaction.
const readOnly = " read only"

const commitStatement = "commit"

// planning says for the statements that follow in a transaction, and for those of its triggers, whether each execution is planned, or
// what is prepared is planned once, as at first (pooler.go).
func planning(each bool) statement {
	mode := "force_generic_plan"
	if each {
		mode = "force_custom_plan"
	}
	return statement{sql: "select set_config('plan_cache_mode', $1, true)", args: []any{mode}}
}

func plansEach(work []statement) bool {
	return slices.ContainsFunc(work, func(s statement) bool { return s.planEach })
}

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
