package jobs

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// newDuration measures the runs of this instance. There is no label for the tenant: there may be thousands.
func newDuration() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_task_duration_seconds", Help: "How long runs of periodic tasks took on this instance.",
		Buckets: prometheus.ExponentialBuckets(0.005, 4, 8),
	}, []string{"task", "outcome"})
}

var (
	lastRun = prometheus.NewDesc("rollcall_task_last_run_timestamp_seconds",
		"When a task last ran for any tenant, on any instance.", []string{"task"}, nil)
	lastSuccess = prometheus.NewDesc("rollcall_task_last_success_timestamp_seconds",
		"The last success of the active tenant whose last success is longest ago (its creation when there was none).", []string{"task"}, nil)
	failing = prometheus.NewDesc("rollcall_task_failing_tenants",
		"Active tenants whose last run failed.", []string{"task"}, nil)
	jobCount = prometheus.NewDesc("rollcall_jobs",
		"Jobs in a queue by state, on all instances; completed ones aside. Failed ones (cancelled: the task failed, discarded: its process died) are kept for an hour.",
		[]string{"queue", "state"}, nil)
	oldestWaiting = prometheus.NewDesc("rollcall_job_oldest_waiting_seconds",
		"How long the job that has waited longest in a queue could have run already.", []string{"queue"}, nil)
)

// summaries reports on the tasks over all tenants and instances; every instance reports the same.
type summaries struct {
	*db.Sample[[]gendb.TaskSummariesRow]
}

func newSummaries(d *db.DB, tasks []string) *summaries {
	return &summaries{db.NewSample(d, func(ctx context.Context, q *db.Queries) ([]gendb.TaskSummariesRow, error) {
		return q.TaskSummaries(ctx, tasks)
	})}
}

// Describe sends the descriptions of the metrics.
func (s *summaries) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- lastRun
	descriptions <- lastSuccess
	descriptions <- failing
}

// Collect sends the metrics; none that are old when the database does not answer.
func (s *summaries) Collect(metrics chan<- prometheus.Metric) {
	rows, err := s.Get()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(lastSuccess, err)
		return
	}
	for _, row := range rows {
		if row.LastRun.Unix() > 0 {
			metrics <- prometheus.MustNewConstMetric(lastRun, prometheus.GaugeValue, seconds(row.LastRun), row.Task)
		}
		metrics <- prometheus.MustNewConstMetric(lastSuccess, prometheus.GaugeValue, seconds(row.OldestSuccess), row.Task)
		metrics <- prometheus.MustNewConstMetric(failing, prometheus.GaugeValue, float64(row.Failing), row.Task)
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// queues reports on the job queue; every instance reports the same.
type queues struct {
	*db.Sample[[]gendb.JobCountsRow]
}

func newQueues(d *db.DB) *queues {
	return &queues{db.NewSample(d, func(ctx context.Context, q *db.Queries) ([]gendb.JobCountsRow, error) { return q.JobCounts(ctx) })}
}

// Describe sends the descriptions of the metrics.
func (q *queues) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- jobCount
	descriptions <- oldestWaiting
}

// states are those of jobs that are not completed.
var states = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	rivertype.JobStatePending, rivertype.JobStateCancelled, rivertype.JobStateDiscarded,
}

// Collect sends the metrics, also of states without a job; none that are old when the database does not answer.
func (q *queues) Collect(metrics chan<- prometheus.Metric) {
	rows, err := q.Get()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(jobCount, err)
		return
	}
	type place struct{ queue, state string }
	found := map[place]gendb.JobCountsRow{}
	for _, row := range rows {
		found[place{row.Queue, row.State}] = row
	}
	for _, queue := range []string{river.QueueDefault, dueQueue} {
		for _, state := range states {
			count := found[place{queue, string(state)}].Count
			metrics <- prometheus.MustNewConstMetric(jobCount, prometheus.GaugeValue, float64(count), queue, string(state))
		}
		waiting := found[place{queue, string(rivertype.JobStateAvailable)}]
		metrics <- prometheus.MustNewConstMetric(oldestWaiting, prometheus.GaugeValue, max(0, waiting.OldestSeconds), queue)
	}
}
