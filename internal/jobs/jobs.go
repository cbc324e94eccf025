// Package jobs runs the periodic tasks: once a period for each active tenant, on one of however many instances there are.
//
//	river (leader)     dispatch ──> which (task, tenant) are due? ──> one job each ──> any instance: claim, run, note
//	control.task_runs  task │ tenant │ started │ finished │ succeeded │ failures
//
// The queue is River (riverqueue/river) on the same PostgreSQL, in a schema of its own: it elects the leader, bounds the
// work of each instance, and hands on what an instance that died has left. What is due is decided by control.task_runs
// and the database's clock: a run is claimed there by one statement, so that neither a second leader, nor a job that is
// handed on, nor clocks that disagree make a task run twice in a period. A tenant that fails does not stop the others and
// is tried again sooner; a suspended one is left alone; a new one is found by the next dispatch.
//
// A task with Due has its work announced instead: every instance asks it once a second which tenants have some, and there is
// one unfinished job for each. Such a task keeps its own account of what is done.
//
// To add a periodic task, add a line to [Tasks].
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Task is work that is done for every active tenant.
type Task struct {
	Name  string        // for metrics, log and command line; at most 50 characters
	Every time.Duration // from the start of one run to that of the next
	// Due, instead of Every, are the tenants that have work at this moment.
	Due func(ctx context.Context) ([]uuid.UUID, error)
	// Run does it for one tenant. It may be repeated at any time, and ends soon after ctx does.
	Run func(ctx context.Context, tenant uuid.UUID) error
}

const (
	// runTimeout is how long one run may take; what is left over is the next one's.
	runTimeout = time.Minute
	// abandonedAfter is how old a run without an end is when its process must be gone.
	abandonedAfter = 2 * runTimeout
	// retryAfter is how soon a run that failed is tried again, if the task is not due sooner anyway.
	retryAfter = 5 * time.Minute
	// noteTimeout bounds writing down how a run ended, when its own context may be over.
	noteTimeout = 5 * time.Second
)

// runs claims, runs and notes single runs.
type runs struct {
	db       *db.DB
	log      *slog.Logger
	duration *prometheus.HistogramVec
}

var errFailed = errors.New("the task failed: see the log")

// run runs a task for a tenant if it is due, and reports whether it did. The error is errFailed when the task failed,
// which is logged and noted then, or says why the run could not be claimed.
func (r *runs) run(ctx context.Context, t Task, tenant uuid.UUID, every time.Duration) (ran bool, err error) {
	if t.Due != nil {
		return true, r.do(ctx, t, tenant)
	}
	started, err := r.claim(ctx, t, tenant, every)
	if apperr.KindOf(err) == apperr.NotFound {
		return false, nil // done, being done, or the tenant is closed
	}
	if err != nil {
		return false, fmt.Errorf("claim task %s: %w", t.Name, err)
	}
	err = r.do(ctx, t, tenant)
	if noteErr := r.note(ctx, t, tenant, started, err == nil); noteErr != nil {
		r.log.ErrorContext(ctx, "how a task ended could not be noted", "task", t.Name, "tenant", tenant.String(), "error", noteErr)
	}
	return true, err
}

// do runs the task, and logs and measures it. The error is errFailed.
func (r *runs) do(ctx context.Context, t Task, tenant uuid.UUID) error {
	begin := time.Now()
	err := safely(ctx, t, tenant)
	if errors.Is(err, db.ErrTenantUnavailable) {
		err = nil // suspended meanwhile
	}
	r.duration.WithLabelValues(t.Name, outcome(err)).Observe(time.Since(begin).Seconds())
	if err != nil {
		r.log.ErrorContext(ctx, "task failed", append(traceAttrs(ctx), "task", t.Name, "tenant", tenant.String(), "error", err)...)
		return errFailed
	}
	return nil
}

func (r *runs) claim(ctx context.Context, t Task, tenant uuid.UUID, every time.Duration) (time.Time, error) {
	return db.InTxValue(ctx, r.db, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) (time.Time, error) {
		return q.ClaimRun(ctx, gendb.ClaimRunParams{
			Task: t.Name, TenantID: tenant, EverySeconds: every.Seconds(),
			RetrySeconds: retryAfter.Seconds(), LongestSeconds: abandonedAfter.Seconds(),
		})
	})
}

func (r *runs) note(ctx context.Context, t Task, tenant uuid.UUID, started time.Time, succeeded bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	return r.db.InTx(ctx, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) error {
		return q.FinishRun(ctx, gendb.FinishRunParams{Task: t.Name, TenantID: tenant, StartedAt: started, Succeeded: succeeded})
	})
}

// safely runs the task within its time, and makes an error of a panic.
func safely(ctx context.Context, t Task, tenant uuid.UUID) (err error) {
	ctx, cancel := context.WithTimeout(db.WithActor(ctx, db.Actor{Kind: db.ActorJob, Action: t.Name}), runTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return t.Run(ctx, tenant)
}

func outcome(err error) string {
	if err != nil {
		return "failure"
	}
	return "success"
}
