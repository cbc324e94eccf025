package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/jobs"
)

// instance is one process of the service, as far as its tasks are concerned.
type instance struct {
	name    string
	metrics *prometheus.Registry
	stop    func()
}

// start starts an instance with the shortest tick.
func start(t *testing.T, d *dbtest.Database, name string, tasks ...jobs.Task) *instance {
	t.Helper()
	i := &instance{name: name, metrics: prometheus.NewRegistry()}
	runner, err := jobs.New(jobs.Config{
		DB: d.Open(t, db.Config{MaxConns: jobs.MinConns}), Tasks: tasks, Tick: time.Second, Grace: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelInfo})), Metrics: i.metrics,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended, name)
	})
	t.Cleanup(i.stop)
	return i
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// record notes the runs of a task.
type record struct {
	mu   sync.Mutex
	runs map[uuid.UUID][]time.Time
}

func (r *record) task(every time.Duration) jobs.Task {
	return jobs.Task{Name: "probe", Every: every, Run: func(_ context.Context, tenant uuid.UUID) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.runs == nil {
			r.runs = map[uuid.UUID][]time.Time{}
		}
		r.runs[tenant] = append(r.runs[tenant], time.Now())
		return nil
	}}
}

func (r *record) of(tenant uuid.UUID) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.runs[tenant]...)
}

// soon is enough for an election (5 s) on a busy machine.
const soon = 45 * time.Second

func leader(t *testing.T, d *dbtest.Database) string {
	t.Helper()
	return strings.Join(dbtest.Values[string](t, d, "select leader_id from river.river_leader"), " ")
}

func TestRunner_ofTwoInstancesOneLeadsAndEveryTenantsTaskRunsOncePerPeriod(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tenants := []uuid.UUID{d.Tenant(t, "one").ID, d.Tenant(t, "two").ID, d.Tenant(t, "three").ID}
	const every = 4 * time.Second
	var r record
	start(t, d, "a", r.task(every))
	start(t, d, "b", r.task(every))
	require.Eventually(t, func() bool {
		for _, id := range tenants {
			if len(r.of(id)) < 3 {
				return false
			}
		}
		return true
	}, soon, 50*time.Millisecond)
	assert.EqualValues(t, 1, dbtest.Value[int64](t, d, "select count(*) from river.river_leader"))
	for _, id := range tenants {
		runs := r.of(id)
		for i := range runs[1:] {
			// A run is due half a tick before its period is over.
			assert.GreaterOrEqual(t, runs[i+1].Sub(runs[i]), every-time.Second, "twice in a period")
		}
	}
}

func TestRunner_whenTheLeaderEndsTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	var r record
	first := start(t, d, "first", r.task(2*time.Second))
	require.Eventually(t, func() bool { return len(r.of(id)) > 0 }, soon, 50*time.Millisecond)
	was := leader(t, d)
	require.NotEmpty(t, was)
	start(t, d, "second", r.task(2*time.Second))
	first.stop()
	before := len(r.of(id))
	require.Eventually(t, func() bool { return len(r.of(id)) > before+1 }, soon, 50*time.Millisecond)
	assert.NotEqual(t, was, leader(t, d))
}

func TestRunner_recoversWhenItsConnectionsAreKilled(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	var r record
	start(t, d, "only", r.task(time.Second))
	for range 2 {
		before := len(r.of(id))
		require.Eventually(t, func() bool { return len(r.of(id)) > before+1 }, soon, 50*time.Millisecond)
		d.Exec(t, `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and application_name = 'rollcall' and pid <> pg_backend_pid()`)
	}
	before := len(r.of(id))
	require.Eventually(t, func() bool { return len(r.of(id)) > before+1 }, soon, 50*time.Millisecond)
}

func TestRunner_findsANewTenantAndLeavesASuspendedOneAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	first := d.Tenant(t, "first").ID
	suspended := d.Tenant(t, "suspended").ID
	require.NoError(t, d.Registry().Suspend(t.Context(), suspended))
	var r record
	start(t, d, "only", r.task(time.Second))
	require.Eventually(t, func() bool { return len(r.of(first)) > 1 }, soon, 50*time.Millisecond)
	later := d.Tenant(t, "later").ID
	require.Eventually(t, func() bool { return len(r.of(later)) > 1 }, soon, 50*time.Millisecond)
	assert.Empty(t, r.of(suspended))
	require.NoError(t, d.Registry().Resume(t.Context(), suspended))
	require.Eventually(t, func() bool { return len(r.of(suspended)) > 0 }, soon, 50*time.Millisecond)
}

func TestRunner_aTenantThatFailsStopsNobodyAndIsInTheMetrics(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	good, bad, worse := d.Tenant(t, "good").ID, d.Tenant(t, "bad").ID, d.Tenant(t, "worse").ID
	var r record
	task := r.task(time.Second)
	run := task.Run
	task.Run = func(ctx context.Context, tenant uuid.UUID) error {
		_ = run(ctx, tenant)
		switch tenant {
		case bad:
			return errors.New("broken for asha.verma@demo.school")
		case worse:
			panic("nobody expects this")
		}
		return nil
	}
	begin := time.Now()
	i := start(t, d, "only", task)
	require.Eventually(t, func() bool { return len(r.of(good)) > 2 && len(r.of(bad)) > 0 && len(r.of(worse)) > 0 }, soon, 50*time.Millisecond)
	noted := func() bool {
		return dbtest.Value[int64](t, d, "select count(*) from control.task_runs where finished_at is not null and failures > 0") == 2
	}
	require.Eventually(t, noted, soon, 50*time.Millisecond)
	require.Eventually(t, func() bool { return metric(t, i, "rollcall_task_failing_tenants") == 2 }, soon, 100*time.Millisecond)
	assert.GreaterOrEqual(t, metric(t, i, "rollcall_task_last_run_timestamp_seconds"), float64(begin.Unix()))
	assert.Less(t, metric(t, i, "rollcall_task_last_success_timestamp_seconds"), float64(time.Now().Unix()))
	families, err := i.metrics.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
	assert.Empty(t, dbtest.Values[int64](t, d, "select id from river.river_job where errors::text like '%asha%'"), "the queue keeps no text of errors")
}

// metric is the value of a metric of the task probe.
func metric(t *testing.T, i *instance, name string) float64 {
	t.Helper()
	families, err := i.metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

// Work that is announced: whichever instance sees it first, one job does it at a time, and soon.
func TestRunner_aTaskWithDueRunsWhereAndWhenThereIsWork(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	busy, idle := d.Tenant(t, "busy").ID, d.Tenant(t, "idle").ID
	var r record
	var atOnce, most atomic.Int64
	task := r.task(0)
	task.Due = func(context.Context) ([]uuid.UUID, error) {
		if len(r.of(busy)) >= 3 {
			return nil, nil
		}
		return []uuid.UUID{busy}, nil
	}
	run := task.Run
	task.Run = func(ctx context.Context, tenant uuid.UUID) error {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		return run(ctx, tenant)
	}
	start(t, d, "a", task)
	start(t, d, "b", task)
	require.Eventually(t, func() bool { return len(r.of(busy)) >= 3 }, soon, 50*time.Millisecond)
	assert.Empty(t, r.of(idle))
	assert.EqualValues(t, 1, most.Load())
	assert.EqualValues(t, 0, dbtest.Value[int64](t, d, "select count(*) from control.task_runs"), "it keeps its own account")
}

func TestRunner_aRunInProgressIsFinishedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	begun, release := make(chan struct{}), make(chan struct{})
	i := start(t, d, "only", jobs.Task{Name: "probe", Every: time.Hour, Run: func(ctx context.Context, _ uuid.UUID) error {
		close(begun)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	<-begun
	stopped := make(chan struct{})
	go func() { defer close(stopped); i.stop() }()
	require.Eventually(t, func() bool { return leader(t, d) == "" }, soon, 20*time.Millisecond, "it resigns first")
	close(release)
	<-stopped
	assert.EqualValues(t, 1, dbtest.Value[int64](t, d,
		"select count(*) from control.task_runs where tenant_id = $1 and succeeded_at is not null and failures = 0", id))
}

func TestRunner_aRunWhoseProcessDiedIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dead, busy := d.Tenant(t, "dead").ID, d.Tenant(t, "busy").ID
	d.Exec(t, `insert into control.task_runs (task, tenant_id, started_at) values
		('probe', $1, now() - interval '3 minutes'), ('probe', $2, now() - interval '10 seconds')`, dead, busy)
	var r record
	start(t, d, "only", r.task(time.Second))
	require.Eventually(t, func() bool { return len(r.of(dead)) > 1 }, soon, 50*time.Millisecond)
	assert.Empty(t, r.of(busy), "it may still be running")
}

func TestRunOnce_runsWhetherDueOrNot(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	one, two := d.Tenant(t, "one").ID, d.Tenant(t, "two").ID
	require.NoError(t, d.Registry().Suspend(t.Context(), two))
	var r record
	for range 2 {
		reports, err := jobs.RunOnce(t.Context(), d.DB, slog.New(slog.DiscardHandler), []jobs.Task{r.task(time.Hour)}, []uuid.UUID{one, two})
		require.NoError(t, err)
		assert.Equal(t, []jobs.Report{{Task: "probe", Done: 1, Skipped: 1}}, reports)
	}
	assert.Len(t, r.of(one), 2)
	broken := jobs.Task{Name: "broken", Every: time.Hour, Run: func(context.Context, uuid.UUID) error { return errors.New("no") }}
	reports, err := jobs.RunOnce(t.Context(), d.DB, slog.New(slog.DiscardHandler), []jobs.Task{broken}, []uuid.UUID{one})
	require.ErrorContains(t, err, "task broken failed for 1 of 1 tenants")
	assert.Equal(t, 1, reports[0].Failed)
}

func TestCleanup_removesWhatEndedLongAgoAndNothingElse(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	schema := db.SchemaName(id)
	user := uuid.New()
	d.Exec(t, `insert into `+schema+`.users (id, first_name, last_name) values ($1, 'A', 'B')`, user)
	// Created 40 days ago; when each ends by itself, and when it was ended, in days from now.
	for i, s := range []struct{ expires, ended string }{
		{"-31 days", ""}, {"-31 days", "-32 days"}, {"5 days", "-31 days"}, // gone
		{"-29 days", ""}, {"-29 days", "-29.5 days"}, {"5 days", "-1 day"}, {"5 days", ""}, // kept
	} {
		d.Exec(t, `insert into `+schema+`.sessions (id, user_id, token_hash, created_at, expires_at, ended_at) values
			(gen_random_uuid(), $1, sha256($2::text::bytea), now() - interval '40 days', now() + $3::text::interval, now() + nullif($4::text, '')::interval)`,
			user, string(rune('a'+i)), s.expires, s.ended)
	}
	require.NoError(t, jobs.Cleanup(d.DB, 2)(t.Context(), id), "in batches smaller than what there is to do")
	left := dbtest.Values[float64](t, d, `select round(extract(epoch from least(ended_at, expires_at) - now()) / 86400, 1)::float8 from `+schema+`.sessions order by 1`)
	assert.Equal(t, []float64{-29.5, -29, -1, 5}, left)
	assert.Equal(t, "cleanup", jobs.Tasks(d.DB, slog.New(slog.DiscardHandler))[0].Name)
}

func TestSeal_givesEventsTheirPlacesAndLogsTheHead(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	schema := db.SchemaName(id)
	var logged strings.Builder
	run := jobs.Seal(d.DB, slog.New(slog.NewTextHandler(&logged, nil)), 10)
	d.Exec(t, `insert into `+schema+`.guardians (id, first_name, last_name) select gen_random_uuid(), 'A', 'B' from generate_series(1, 25)`)
	require.NoError(t, run(t.Context(), id), "in batches smaller than what there is to do")
	head := dbtest.Value[string](t, d, `select position || ':' || encode(hash, 'hex') from `+schema+`.audit_seals order by position desc limit 1`)
	assert.True(t, strings.HasPrefix(head, "26:"), "the tenant itself, and 25 guardians")
	assert.Contains(t, logged.String(), "head="+head)
	assert.Contains(t, logged.String(), id.String())
	before := logged.String()
	require.NoError(t, run(t.Context(), id))
	assert.Equal(t, before, logged.String(), "a chain that did not grow is not worth a line")
	assert.Equal(t, "seal-audit", jobs.Tasks(d.DB, slog.New(slog.DiscardHandler))[1].Name)
}

func TestCleanup_removesAnswersOfAllUsersAfterADay(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	table := db.SchemaName(id) + ".idempotency_keys"
	d.Exec(t, `insert into `+table+` select gen_random_uuid(), sha256(n::text::bytea), sha256('request'), 'sealed', now() - make_interval(hours => n) from generate_series(22, 28) n`)
	require.NoError(t, jobs.Cleanup(d.DB, 2)(t.Context(), id), "in batches smaller than what there is to do")
	assert.Equal(t, []int64{22, 23}, dbtest.Values[int64](t, d, `select round(extract(epoch from now() - created_at) / 3600)::bigint from `+table+` order by 1`))
}

func TestCleanup_removesEventsAndTheirDeliveriesAfterAMonth(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	schema := db.SchemaName(id)
	d.Exec(t, `insert into `+schema+`.webhooks (id, url, events, secret) values (gen_random_uuid(), 'https://example.org', '{student.updated}', '')`)
	d.Exec(t, `insert into `+schema+`.outbox_events (id, type, subject_id, data, created_at) select gen_random_uuid(), 'student.updated', gen_random_uuid(), '{}', now() - make_interval(days => n) from generate_series(28, 33) n`)
	d.Exec(t, `insert into `+schema+`.webhook_deliveries (webhook_id, event_id, subject_id, position) select w.id, e.id, e.subject_id, e.position from `+schema+`.webhooks w, `+schema+`.outbox_events e`)
	require.NoError(t, jobs.Cleanup(d.DB, 2)(t.Context(), id), "in batches smaller than what there is to do")
	for _, table := range []string{"outbox_events", "webhook_deliveries"} {
		assert.EqualValues(t, 2, dbtest.Value[int64](t, d, `select count(*) from `+schema+`.`+table), table)
	}
}

func TestCleanup_removesTriesThatHaveFaded(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := d.Tenant(t, "one").ID
	tables := []string{db.SchemaName(id) + ".guesses", "control.guesses"}
	for _, table := range tables {
		d.Exec(t, `insert into `+table+` select 'login', sha256(n::text::bytea), n, now() - make_interval(hours => n) from generate_series(20, 27) n`)
	}
	require.NoError(t, jobs.Cleanup(d.DB, 2)(t.Context(), id), "in batches smaller than what there is to do")
	for _, table := range tables {
		assert.Equal(t, []float64{20, 21, 22, 23}, dbtest.Values[float64](t, d, `select failures from `+table+` order by 1`), table)
	}
}
