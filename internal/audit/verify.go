package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// batchSize is how many places or events are in memory at once.
const batchSize = 1000

// Check says what of a trail to verify. The zero value is all of it.
type Check struct {
	From  int64     // the first place; 0 is the first there is
	To    int64     // the last place; 0 is the last there is
	Head  *Head     // a place that the chain is known to have had, between From and To
	Until time.Time // when to stop, between two batches; zero is never
}

// Report is what a verification has found. Without a fault and complete, the trail is what it was when it was written.
type Report struct {
	Checked  int64  // places that are good
	Erased   int64  // of them, those whose content was erased
	Head     *Head  // the last one
	Complete bool   // false: the time was over, or there is a fault
	Next     int64  // where to go on when the time was over
	Fault    *Fault // the first
}

// Verify goes through the chain, and holds each event against its place. Without From and To it also looks for events that
// no place covers. It reads so many rows at a time, each time in a transaction of its own: the trail may grow meanwhile.
// The error is that of the database; what is wrong with the trail is in the report.
func Verify(ctx context.Context, d *db.DB, scope db.Scope, c Check) (Report, error) {
	v := verifier{db: d, scope: scope, check: c, previous: genesis}
	var done bool
	var err error
	for _, step := range []func(context.Context) (bool, error){v.start, v.chain, v.strays} {
		done, err = step(ctx)
		if err != nil || !done || v.report.Fault != nil {
			break
		}
	}
	v.report.Complete = done && v.report.Fault == nil
	v.report.Next = v.position + 1
	return v.report, err
}

type verifier struct {
	db       *db.DB
	scope    db.Scope
	check    Check
	position int64  // of the place before the next one
	previous []byte // its hash
	report   Report
}

func (v *verifier) outOfTime() bool {
	return !v.check.Until.IsZero() && time.Now().After(v.check.Until)
}

// start finds the hash that the first place follows.
func (v *verifier) start(ctx context.Context) (bool, error) {
	if v.check.From <= 1 {
		return true, nil
	}
	v.position = v.check.From - 1
	seal, err := read(ctx, v, (*db.Queries).AuditSeal, v.position)
	if apperr.KindOf(err) == apperr.NotFound {
		v.report.Fault = faultAt(Truncated, v.position, uuid.Nil, "The chain does not have this place.")
		return true, nil
	}
	v.previous = seal.Hash
	return true, err
}

// chain goes from place to place.
func (v *verifier) chain(ctx context.Context) (bool, error) {
	for {
		if v.outOfTime() {
			return false, nil
		}
		checked, err := v.batch(ctx)
		if err != nil || v.report.Fault != nil {
			return true, err
		}
		if checked < batchSize {
			break
		}
	}
	if h := v.check.Head; h != nil && h.Position > v.position {
		v.report.Fault = faultAt(Truncated, v.position+1, uuid.Nil,
			fmt.Sprintf("The chain ends before this place, and is known to have had %d.", h.Position))
	}
	return true, nil
}

// batch verifies the next places, as far as they are good, and returns how many there are.
func (v *verifier) batch(ctx context.Context) (int, error) {
	last := v.check.To
	if last == 0 {
		last = math.MaxInt64
	}
	rows, err := read(ctx, v, (*db.Queries).SealedAuditEvents, gendb.SealedAuditEventsParams{
		AfterPosition: v.position, LastPosition: last, RowLimit: batchSize,
	})
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		if err := v.place(ctx, place(row)); err != nil || v.report.Fault != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

// place verifies the next place.
func (v *verifier) place(ctx context.Context, p place) (err error) {
	switch {
	case p.Position != v.position+1:
		v.report.Fault = faultAt(Deleted, v.position+1, uuid.Nil, "The chain does not have this place, and goes on behind it.")
	case !p.follows(v.previous):
		v.report.Fault, err = v.brokenAt(ctx, p)
	default:
		v.report.Fault = p.eventFault()
		if h := v.check.Head; v.report.Fault == nil && h != nil {
			v.report.Fault = h.fault(p)
		}
	}
	if err != nil || v.report.Fault != nil {
		return err
	}
	v.position, v.previous = p.Position, p.Hash
	v.report.Head = &Head{Position: p.Position, Hash: p.Hash}
	v.report.Checked++
	if p.IsErased {
		v.report.Erased++
	}
	return nil
}

// brokenAt finds out whether the place's event stands somewhere else.
func (v *verifier) brokenAt(ctx context.Context, p place) (*Fault, error) {
	moved, err := read(ctx, v, (*db.Queries).MovedAuditSeals, gendb.MovedAuditSealsParams{
		PreviousHash: v.previous, Position: p.Position, HashThere: p.Hash,
	})
	if err != nil && apperr.KindOf(err) != apperr.Unavailable { // a long chain may take too long to search
		return nil, err
	}
	if len(moved) > 0 {
		return faultAt(Reordered, p.Position, p.EventID,
			fmt.Sprintf("The event of this place, %s, stands in place %d.", moved[0].EventID, moved[0].Position)), nil
	}
	return faultAt(Broken, p.Position, p.EventID, "This is not the place that was made behind the one before it."), nil
}

// strays looks for events that the chain does not cover and never will.
func (v *verifier) strays(ctx context.Context) (bool, error) {
	if v.check.From > 1 || v.check.To != 0 {
		return true, nil
	}
	lost, err := read(ctx, v, func(q *db.Queries, ctx context.Context, _ struct{}) ([]uuid.UUID, error) {
		return q.LostAuditEvents(ctx)
	}, struct{}{})
	if err != nil {
		return false, err
	}
	if len(lost) > 0 {
		v.report.Fault = faultAt(Deleted, 0, lost[0], "The event is gone; it had no place yet.")
		return true, nil
	}
	for after := uuid.Nil; !v.outOfTime(); {
		rows, err := read(ctx, v, func(q *db.Queries, ctx context.Context, after uuid.UUID) ([]gendb.AuditEventPlacesRow, error) {
			return q.AuditEventPlaces(ctx, after, batchSize)
		}, after)
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			if !row.IsSealed && !row.IsWaiting {
				v.report.Fault = faultAt(Unsealed, 0, row.ID, "The event has no place in the chain and waits for none.")
				return true, nil
			}
		}
		if len(rows) < batchSize {
			return true, nil
		}
		after = rows[len(rows)-1].ID
	}
	return false, nil
}

// read runs one query in a transaction of its own.
func read[A, R any](ctx context.Context, v *verifier, query func(*db.Queries, context.Context, A) (R, error), arg A) (R, error) {
	return db.InTxValue(ctx, v.db, v.scope, db.ReadOnly, func(ctx context.Context, q *db.Queries) (R, error) {
		return query(q, ctx, arg)
	})
}
