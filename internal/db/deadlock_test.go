package db_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/resilience"
	"github.com/rollcall-erp/rollcall/internal/torture"
)

const deadlockWriters = 16

// Half of the writers lock one institution first and the other then, half the other way round, and each adds a row, its
// one side effect.
func TestDeadlocks_everyTransactionSucceedsOnceOrIsRefusedCleanly(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "First")
	s.add(t, "Second")
	s.Exec(t, "alter database "+dbtest.Value[string](t, s.Database, "select current_database()::text")+" set deadlock_timeout = '20ms'")
	registry := prometheus.NewRegistry()
	shared, err := resilience.NewMetrics(registry)
	require.NoError(t, err)
	metrics, err := db.NewMetrics(registry, shared)
	require.NoError(t, err)
	d := s.Open(t, db.Config{MaxConns: deadlockWriters, Metrics: metrics})
	var succeeded, refused atomic.Int64
	end := time.Now().Add(torture.For(2*time.Second, 30*time.Second))
	var group errgroup.Group
	for writer := range deadlockWriters {
		order := [2]string{"First", "Second"}
		if writer%2 == 1 {
			order = [2]string{"Second", "First"}
		}
		group.Go(func() error {
			for time.Now().Before(end) {
				switch err := s.run(t.Context(), d, db.Options{}, crossing(order)); {
				case err == nil:
					succeeded.Add(1)
				case apperr.KindOf(err) == apperr.Unavailable:
					refused.Add(1)
				default:
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	written := dbtest.Value[int64](t, s.Database, "select count(*) from "+s.schema+".institutions where name like 'Effect %'")
	assert.Equal(t, succeeded.Load(), written, "each success wrote its row once, each refusal none")
	attempts, deadlocks := histogram(t, registry)
	assert.Positive(t, deadlocks, "there were deadlocks at all")
	torture.Reportf(t, fmt.Sprintf("deadlocks, %d writers in opposite order", deadlockWriters),
		"%d succeeded, %d refused with 503, %d rows written; %d deadlocks; transactions by tries: %s",
		succeeded.Load(), refused.Load(), written, deadlocks, attempts)
}

func crossing(order [2]string) work {
	return func(ctx context.Context, conn *pgx.Conn) error {
		for _, name := range order {
			if err := update(ctx, conn, name); err != nil {
				return err
			}
			time.Sleep(time.Millisecond) // until the others have theirs
		}
		return insert(ctx, conn, "Effect "+rand.Text()[:12])
	}
}

// histogram is how many transactions took how many tries, and how many tries a deadlock ended.
func histogram(t *testing.T, registry *prometheus.Registry) (attempts string, deadlocks int64) {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "rollcall_retries_total" && metric.GetLabel()[1].GetValue() == "deadlock" {
				deadlocks = int64(metric.GetCounter().GetValue())
			}
			if family.GetName() != "rollcall_attempts" || metric.GetLabel()[1].GetValue() != "success" {
				continue
			}
			attempts = byTries(metric.GetHistogram().GetBucket())
		}
	}
	return attempts, deadlocks
}

func byTries(buckets []*dto.Bucket) string {
	tries, below := make([]string, len(buckets)), uint64(0)
	for i, bucket := range buckets {
		tries[i] = fmt.Sprintf("%.0f: %d", bucket.GetUpperBound(), bucket.GetCumulativeCount()-below)
		below = bucket.GetCumulativeCount()
	}
	return strings.Join(tries, ", ")
}
