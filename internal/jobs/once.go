package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Report says what became of a task that was run once for some tenants.
type Report struct {
	Task    string
	Done    int
	Failed  int
	Skipped int // being run elsewhere at this moment, or the tenant is not active
}

// RunOnce runs tasks for tenants now, whether due or not, a few at once. A run that fails is logged and does not stop the
// others; the error then says how many did.
func RunOnce(ctx context.Context, d *db.DB, log *slog.Logger, tasks []Task, tenants []uuid.UUID) ([]Report, error) {
	r := &runs{db: d, log: log, duration: newDuration()}
	var reports []Report
	var failures []error
	for _, t := range tasks {
		report, err := r.runAll(ctx, t, tenants)
		reports = append(reports, report)
		if err != nil {
			failures = append(failures, err)
		}
		if report.Failed > 0 {
			failures = append(failures, fmt.Errorf("task %s failed for %d of %d tenants", t.Name, report.Failed, len(tenants)))
		}
	}
	return reports, errors.Join(failures...)
}

// runAll runs one task for all tenants. The error is of a run that could not even be claimed.
func (r *runs) runAll(ctx context.Context, t Task, tenants []uuid.UUID) (Report, error) {
	report := Report{Task: t.Name}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(workers)
	for _, id := range tenants {
		group.Go(func() error {
			ran, err := r.run(ctx, t, id, 0)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, errFailed):
				report.Failed++
			case err != nil:
				return err
			case ran:
				report.Done++
			default:
				report.Skipped++
			}
			return nil
		})
	}
	return report, group.Wait()
}
