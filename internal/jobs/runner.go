package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/trace"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Config is what a runner works with.
type Config struct {
	// DB should be a pool of its own, so that requests and tasks cannot starve each other: [MinConns] connections.
	DB      *db.DB
	Tasks   []Task
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Tracer  trace.Tracer  // makes a span of each job; nil: none
	Tick    time.Duration // how often is looked for what is due; default 15 s, at least 1 s
	Grace   time.Duration // how long runs may take to finish at the end; default 15 s
}

// period is how long after its last run a task is due: half a tick early, because ticks jitter, and with one that comes a
// little too soon a whole tick would pass unused.
func (c Config) period(t Task) time.Duration { return t.Every - c.Tick/2 }

const (
	// workers is how many runs an instance does at once.
	workers = 4
	// dueWorkers is how many runs of tasks with Due an instance does at once, in a queue of their own: they wait for others
	// more than they work, and hold no connection meanwhile.
	dueWorkers = 16
	dueQueue   = "due"
	// dueTick is how often such tasks are asked what is due.
	dueTick = time.Second
	// MinConns is how many connections a runner needs: one a run, and two for those with Due. The queue has its own ([db.DB.River]).
	MinConns = workers + 2
	// Finished jobs are only of use to somebody who looks at the queue: control.task_runs remembers the rest.
	keepCompleted = 10 * time.Minute
	keepFailed    = time.Hour
	insertAtOnce  = 1000
)

// Runner runs tasks as they become due. Make one with New.
type Runner struct {
	client     *river.Client[pgx.Tx]
	dispatcher *dispatcher
}

// New makes a runner and registers its metrics. It does not connect.
func New(c Config) (*Runner, error) {
	if c.Tick == 0 {
		c.Tick = 15 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 15 * time.Second
	}
	single, err := newRuns(c)
	if err != nil {
		return nil, err
	}
	registry := river.NewWorkers()
	dispatch := &dispatcher{config: c}
	river.AddWorker(registry, dispatch)
	river.AddWorker(registry, &taskWorker{config: c, runs: single, tasks: byName(c.Tasks)})
	driver, err := c.DB.River()
	if err != nil {
		return nil, err
	}
	client, err := river.NewClient(driver, riverConfig(c, registry))
	if err != nil {
		return nil, fmt.Errorf("make the job queue's client: %w", err)
	}
	return &Runner{client: client, dispatcher: dispatch}, nil
}

// newRuns registers the metrics of the tasks.
func newRuns(c Config) (*runs, error) {
	var names []string
	for _, t := range c.Tasks {
		if t.Due == nil {
			names = append(names, t.Name)
		}
	}
	duration := newDuration()
	err := errors.Join(c.Metrics.Register(duration), c.Metrics.Register(newSummaries(c.DB, names)), c.Metrics.Register(newQueues(c.DB)))
	if err != nil {
		return nil, fmt.Errorf("register the metrics of tasks: %w", err)
	}
	return &runs{db: c.DB, log: c.Log, duration: duration}, nil
}

func riverConfig(c Config, registry *river.Workers) *river.Config {
	var middleware []rivertype.Middleware
	if c.Tracer != nil {
		middleware = append(middleware, &spans{tracer: c.Tracer})
	}
	return &river.Config{
		Schema:     db.RiverSchema,
		Middleware: middleware,
		Logger:     slog.New(warnings{c.Log.Handler()}),
		Workers:    registry,
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: workers},
			dueQueue:           {MaxWorkers: dueWorkers, FetchPollInterval: dueTick},
		},
		// No LISTEN: nothing here is in a hurry, and so no connection has to be kept and restored when PostgreSQL restarts.
		PollOnly:                    true,
		FetchPollInterval:           min(2*time.Second, c.Tick),
		JobTimeout:                  runTimeout + 2*noteTimeout,
		RescueStuckJobsAfter:        abandonedAfter,
		SoftStopTimeout:             c.Grace,
		CompletedJobRetentionPeriod: keepCompleted,
		CancelledJobRetentionPeriod: keepFailed,
		DiscardedJobRetentionPeriod: keepFailed,
		PeriodicJobs: []*river.PeriodicJob{
			river.NewPeriodicJob(river.PeriodicInterval(c.Tick), func() (river.JobArgs, *river.InsertOpts) {
				return dispatchArgs{}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: c.Tick}}
			}, &river.PeriodicJobOpts{RunOnStart: true}),
		},
	}
}

// Run runs tasks until ctx ends, then lets those that run finish for the time of grace. One call a runner.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.client.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped before it began
		}
		return fmt.Errorf("start the periodic tasks: %w", err)
	}
	r.dispatcher.announce(ctx, r.client)
	<-r.client.Stopped()
	return nil
}

// announce inserts jobs for the tasks with Due, until ctx ends. Every instance does it; the queue has each job once.
func (d *dispatcher) announce(ctx context.Context, client *river.Client[pgx.Tx]) {
	ticker := time.NewTicker(dueTick)
	defer ticker.Stop()
	for {
		for _, t := range d.config.Tasks {
			if t.Due == nil {
				continue
			}
			if err := d.insert(ctx, client, t); err != nil && ctx.Err() == nil {
				d.config.Log.WarnContext(ctx, "tasks that are due could not be found", "task", t.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// warnings leaves out what the queue says of its everyday work, several lines a minute.
type warnings struct{ slog.Handler }

// Enabled is true from the level of warnings on.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs keeps leaving it out.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup keeps leaving it out.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }

// dispatchArgs is the job that looks for what is due. The leader inserts it at every tick.
type dispatchArgs struct{}

// Kind is the job's name in the queue.
func (dispatchArgs) Kind() string { return "dispatch" }

// InsertOpts says that dispatch goes first, and is not repeated: the next tick does it again.
func (dispatchArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Priority: 1}
}

type dispatcher struct {
	river.WorkerDefaults[dispatchArgs]

	config Config
}

// Work inserts a job for every task and tenant that is due and has none yet.
func (d *dispatcher) Work(ctx context.Context, _ *river.Job[dispatchArgs]) error {
	client := river.ClientFromContext[pgx.Tx](ctx)
	for _, t := range d.config.Tasks {
		if t.Due != nil {
			continue
		}
		if err := d.insert(ctx, client, t); err != nil {
			d.config.Log.ErrorContext(ctx, "tasks that are due could not be found", "task", t.Name, "error", err)
			return river.JobCancel(errFailed)
		}
	}
	return nil
}

// insert inserts a job for every tenant that a task is due for.
func (d *dispatcher) insert(ctx context.Context, client *river.Client[pgx.Tx], t Task) error {
	due, err := d.due(ctx, t)
	if err != nil {
		return err
	}
	for len(due) > 0 {
		n := min(len(due), insertAtOnce)
		if _, err := client.InsertMany(ctx, jobsFor(t, due[:n])); err != nil {
			return fmt.Errorf("insert jobs: %w", err)
		}
		due = due[n:]
	}
	return nil
}

// due are the tenants that a task is due for.
func (d *dispatcher) due(ctx context.Context, t Task) ([]uuid.UUID, error) {
	if t.Due != nil {
		return t.Due(ctx)
	}
	return db.InTxValue(ctx, d.config.DB, db.Control, db.ReadOnly, func(ctx context.Context, q *db.Queries) ([]uuid.UUID, error) {
		return q.DueTenants(ctx, gendb.DueTenantsParams{
			Task: t.Name, EverySeconds: d.config.period(t).Seconds(),
			RetrySeconds: retryAfter.Seconds(), LongestSeconds: abandonedAfter.Seconds(),
		})
	})
}

func jobsFor(t Task, tenants []uuid.UUID) []river.InsertManyParams {
	all := make([]river.InsertManyParams, len(tenants))
	for i, id := range tenants {
		all[i] = river.InsertManyParams{Args: taskArgs{Task: t.Name, Tenant: id}}
		if t.Due != nil {
			all[i].InsertOpts = &river.InsertOpts{Queue: dueQueue}
		}
	}
	return all
}

// taskArgs is the job of one task for one tenant.
type taskArgs struct {
	Task   string    `json:"task"`
	Tenant uuid.UUID `json:"tenant"`
}

// Kind is the job's name in the queue.
func (taskArgs) Kind() string { return "task" }

// InsertOpts says that there is one unfinished job for a task and tenant, and that it is not repeated: when the task is
// due again is decided by control.task_runs.
func (taskArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Priority: 2, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}}}
}

type taskWorker struct {
	river.WorkerDefaults[taskArgs]

	config Config
	runs   *runs
	tasks  map[string]Task
}

// Work runs the task, if this program knows it; a newer one beside it may have put it there.
func (w *taskWorker) Work(ctx context.Context, job *river.Job[taskArgs]) error {
	t, known := w.tasks[job.Args.Task]
	if !known {
		return river.JobCancel(fmt.Errorf("no task %q here", job.Args.Task))
	}
	if _, err := w.runs.run(ctx, t, job.Args.Tenant, w.config.period(t)); err != nil {
		// Logged and noted already; the queue keeps no text that may quote what it worked on.
		return river.JobCancel(errFailed)
	}
	return nil
}

func byName(tasks []Task) map[string]Task {
	all := make(map[string]Task, len(tasks))
	for _, t := range tasks {
		all[t.Name] = t
	}
	return all
}
