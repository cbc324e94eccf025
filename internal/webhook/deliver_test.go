package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/outbox"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

const (
	admitted  = api.EventTypeStudentAdmitted
	updated   = api.EventTypeStudentUpdated
	withdrawn = api.EventTypeStudentWithdrawn
)

// verify checks a delivery with the library of the standard.
func verify(t *testing.T, secret string, r received) error {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return w.Verify(r.body, r.header)
}

func TestDeliver_whatWasWishedForArrivesSigned(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, accept)
	_, secret := s.subscribe(in.URL+"/hook?from=rollcall", admitted, withdrawn)
	student := uuid.New()
	s.emit(admitted, student, 1)
	s.emit(updated, student, 2)
	s.emit(withdrawn, student, 3)
	s.runUntil(d, s.allDone)
	got := in.all()
	require.Len(t, got, 2)
	for i, want := range []string{"student.admitted", "student.withdrawn"} {
		assert.Equal(t, want, got[i].Type)
		assert.Equal(t, student.String(), got[i].Subject)
		assert.Equal(t, "application/json", got[i].header.Get("Content-Type"))
		require.NoError(t, verify(t, secret, got[i]))
		require.Error(t, verify(t, webhook.NewSecret(), got[i]), "another secret")
		got[i].body = append(got[i].body, ' ')
		require.Error(t, verify(t, secret, got[i]), "another body")
	}
	assert.EqualValues(t, 2, s.count("status = 'delivered' and attempts = 1 and status_code = 204 and error is null and delivered_at is not null"))
	assert.EqualValues(t, 0, dbtest.Value[int64](t, s.Database, "select count(*) from control.webhook_wakeups"), "nobody looks again")
}

func TestDeliver_nothingOfATransactionThatWasRolledBack(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, accept)
	s.subscribe(in.URL, admitted)
	for range 5 {
		err := s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			require.NoError(t, outbox.Emit(ctx, q, event(admitted, uuid.New(), 1)))
			return errRolledBack
		})
		require.ErrorIs(t, err, errRolledBack)
	}
	due, err := d.Due(t.Context())
	require.NoError(t, err)
	assert.Empty(t, due)
	require.NoError(t, d.Run(t.Context(), s.tenant.ID))
	assert.Empty(t, in.all())
}

func TestDeliver_nothingOfAnEventThatIsWrittenWhileItsWebhookIsDeleted(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, accept)
	id, _ := s.subscribe(in.URL, admitted)
	s.inTenant(func(ctx context.Context, q *db.Queries) error {
		require.NoError(t, outbox.Emit(ctx, q, event(admitted, uuid.New(), 1)))
		s.inTenant(func(ctx context.Context, q *db.Queries) error { // waits for nobody
			deleted, err := q.DeleteWebhook(ctx, id)
			require.EqualValues(t, 1, deleted)
			return err
		})
		return nil
	})
	require.EqualValues(t, 1, s.count("status = 'pending'"), "the delivery was written after those of the webhook were deleted")
	require.NoError(t, d.Run(t.Context(), s.tenant.ID))
	assert.Empty(t, in.all())
	assert.EqualValues(t, 0, dbtest.Value[int64](t, s.Database, "select count(*) from control.webhook_wakeups"), "nobody looks again")
	s.inTenant(func(ctx context.Context, q *db.Queries) error {
		_, err := q.DeleteOldEvents(ctx, time.Now().Add(time.Hour), 100)
		return err
	})
	assert.EqualValues(t, 0, s.count("true"), "it goes with its event")
}

// Two instances, a receiver that fails a third of the time in three ways, and events of the same students all the while.
func TestDeliver_atLeastOnceAndInOrderForEachStudentWhateverFails(t *testing.T) {
	t.Parallel()
	const students, events = 12, 10
	s := newSchool(t)
	calls := 0
	in := newSink(t, func(received) int {
		calls++
		return []int{204, 500, 200, 204, 0, 200, 429, 200, 404, 204, 200, 202}[calls%12]
	})
	s.subscribe(in.URL, admitted, updated)
	var instances []*webhook.Deliverer
	for range 2 {
		d, _ := s.deliverer(webhook.NewTargets(loopback()))
		d.Schedule = slices.Repeat(d.Schedule, 5) // none is given up
		instances = append(instances, d)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, d := range instances {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := d.Run(ctx, s.tenant.ID); ctx.Err() == nil {
					assert.NoError(t, err)
				}
			}
		})
	}
	var emitting sync.WaitGroup
	for range students {
		student := uuid.New()
		emitting.Go(func() {
			for n := range events {
				s.emit(updated, student, n)
			}
		})
	}
	emitting.Wait()
	require.Eventually(t, s.allDone, waitLimit, 10*time.Millisecond)
	stop()
	running.Wait()

	accepted, attempts := map[string][]int{}, 0
	for _, r := range in.all() {
		attempts++
		if r.answer >= 200 && r.answer < 300 {
			accepted[r.Subject] = append(accepted[r.Subject], r.N)
		}
	}
	want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	twice, outOfOrder := 0, 0
	for subject, got := range accepted {
		once := slices.Compact(slices.Clone(got)) // at least once: a repetition follows at once
		twice += len(got) - len(once)
		if !assert.Equal(t, want, once, subject) {
			outOfOrder++
		}
	}
	assert.Len(t, accepted, students)
	t.Logf("%d events of %d students over two instances: %d attempts, %d delivered, %d twice; students out of order: %d", students*events, students, attempts, s.count("status = 'delivered'"), twice, outOfOrder)
}

func TestDeliver_bothSecretsSignDuringARotation(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, accept)
	id, before := s.subscribe(in.URL, admitted)
	after := webhook.NewSecret()
	s.Exec(t, `update `+s.schema+`.webhooks set previous_secret = secret, previous_secret_expires_at = now() + interval '1 hour', secret = $1`,
		webhook.SealSecret(s.box, s.tenant.ID, id, after))
	s.emit(admitted, uuid.New(), 1)
	s.runUntil(d, s.allDone)
	s.Exec(t, `update `+s.schema+`.webhooks set previous_secret_expires_at = now() - interval '1 second'`)
	s.emit(admitted, uuid.New(), 2)
	s.runUntil(d, s.allDone)
	got := in.all()
	require.Len(t, got, 2)
	assert.Len(t, strings.Fields(got[0].header.Get("Webhook-Signature")), 2)
	require.NoError(t, verify(t, before, got[0]))
	require.NoError(t, verify(t, after, got[0]))
	require.Error(t, verify(t, before, got[1]), "the rotation is over")
	require.NoError(t, verify(t, after, got[1]))
}

func (s *school) disabledReason() string {
	s.t.Helper()
	return dbtest.Value[string](s.t, s.Database, "select is_active || ' ' || coalesce(disabled_reason, '') from "+s.schema+".webhooks")
}

func TestDeliver_goneDisablesAtOnceAndDaysOfFailureDoToo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer int
		since  string
		want   string
	}{
		"410":                          {http.StatusGone, "null", "false gone"},
		"five days without success":    {http.StatusInternalServerError, "now() - interval '5 days 1 minute'", "false failing"},
		"less than five days of it":    {http.StatusInternalServerError, "now() - interval '4 days 23 hours'", "true "},
		"success after a lot of those": {http.StatusOK, "now() - interval '6 days'", "true "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchool(t)
			d, _ := s.deliverer(webhook.NewTargets(loopback()))
			in := newSink(t, func(received) int { return test.answer })
			s.subscribe(in.URL, admitted)
			s.Exec(t, "update "+s.schema+".webhooks set failing_since = "+test.since)
			s.emit(admitted, uuid.New(), 1)
			s.runUntil(d, func() bool { return len(in.all()) > 0 })
			assert.Equal(t, test.want, s.disabledReason())
			if strings.HasPrefix(test.want, "false") {
				require.NoError(t, d.Run(t.Context(), s.tenant.ID))
				assert.Len(t, in.all(), 1, "nothing is sent any more")
				s.emit(admitted, uuid.New(), 2)
				assert.EqualValues(t, 1, s.count("true"), "nothing is added any more")
			}
		})
	}
}

func TestDeliver_anEndpointThatDoesNotAnswerIsLeftAloneUntilOneDeliverySucceeds(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	d.FirstPause = time.Hour
	working := false
	in := newSink(t, func(received) int {
		if working {
			return http.StatusOK
		}
		return 0
	})
	s.subscribe(in.URL, admitted)
	for n := range 30 {
		s.emit(admitted, uuid.New(), n)
	}
	s.runUntil(d, func() bool {
		return dbtest.Value[bool](t, s.Database, "select paused_until > now() + interval '10 minutes' from "+s.schema+".webhooks")
	})
	failed := len(in.all())
	require.NoError(t, d.Run(t.Context(), s.tenant.ID))
	assert.Len(t, in.all(), failed, "the breaker is open")
	s.Exec(t, "update "+s.schema+".webhooks set paused_until = now()")
	require.NoError(t, d.Run(t.Context(), s.tenant.ID))
	assert.Len(t, in.all(), failed+1, "half open: one tries, and opens it again")
	s.Exec(t, "update "+s.schema+".webhooks set paused_until = now()")
	in.mu.Lock()
	working = true
	in.mu.Unlock()
	s.runUntil(d, s.allDone)
	assert.EqualValues(t, 30, s.count("status = 'delivered'"))
	assert.EqualValues(t, 0, dbtest.Value[int32](t, s.Database, "select failures from "+s.schema+".webhooks"))
}

func TestDeliver_whatFailsForADayIsGivenUpAndTheNextOneComes(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, func(r received) int {
		if r.N == 1 {
			return http.StatusBadRequest // only this one is not liked
		}
		return http.StatusOK
	})
	s.subscribe(in.URL, admitted)
	student := uuid.New()
	s.emit(admitted, student, 1)
	s.emit(admitted, student, 2)
	s.runUntil(d, s.allDone)
	assert.EqualValues(t, 1, s.count("status = 'failed' and attempts = 9 and status_code = 400 and error = 'status'"))
	assert.EqualValues(t, 1, s.count("status = 'delivered' and attempts = 1"))
	assert.Len(t, in.all(), 10)
	var day time.Duration
	for _, wait := range webhook.Schedule {
		day += wait
	}
	assert.InDelta(t, 24, day.Hours(), 2, "the schedule of the service")
}

func TestDeliver_aSuspendedTenantsWaitUntilItIsResumed(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, accept)
	s.subscribe(in.URL, admitted)
	s.emit(admitted, uuid.New(), 1)
	require.NoError(t, s.Registry().Suspend(t.Context(), s.tenant.ID))
	due, err := d.Due(t.Context())
	require.NoError(t, err)
	assert.Empty(t, due)
	require.ErrorIs(t, d.Run(t.Context(), s.tenant.ID), db.ErrTenantUnavailable, "a job that was there already")
	require.NoError(t, s.Registry().Resume(t.Context(), s.tenant.ID))
	s.Exec(t, "update control.webhook_wakeups set due_at = now()") // that job's lease is over
	due, err = d.Due(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []uuid.UUID{s.tenant.ID}, due)
	s.runUntil(d, s.allDone)
	assert.Len(t, in.all(), 1)
}

// Killed between claiming and noting: after its lease the delivery is anybody's, and so is the tenant.
func TestDeliver_whatADeadInstanceHadClaimedIsDeliveredByAnother(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, accept)
	s.subscribe(in.URL, admitted)
	s.emit(admitted, uuid.New(), 1)
	hanging, dies := context.WithCancel(t.Context())
	in.answer = func(received) int {
		dies()
		return http.StatusOK
	}
	require.NoError(t, d.Run(hanging, s.tenant.ID))
	require.Len(t, in.all(), 1)
	require.EqualValues(t, 1, s.count("status = 'pending' and next_attempt_at > now() + interval '1 minute'"))
	due, err := d.Due(t.Context())
	require.NoError(t, err)
	assert.Empty(t, due, "within the lease")
	s.Exec(t, "update control.webhook_wakeups set due_at = now()")
	s.Exec(t, "update "+s.schema+".webhook_deliveries set next_attempt_at = now()")
	s.runUntil(d, s.allDone)
	got := in.all()
	assert.Len(t, got, 2)
	assert.Equal(t, got[0].id, got[1].id, "the receiver can tell that it is the same")
}

func TestDeliver_metricsSayWhatBecameOfItAndHowOldTheOldestIs(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, metrics := s.deliverer(webhook.NewTargets(loopback()))
	in := newSink(t, func(r received) int {
		if r.N == 1 {
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	s.subscribe(in.URL, admitted)
	s.emit(admitted, uuid.New(), 0)
	s.emit(admitted, uuid.New(), 1)
	s.Exec(t, "update control.webhook_wakeups set oldest_at = now() - interval '90 seconds'")
	assert.InDelta(t, 90, gauge(t, metrics, "rollcall_webhook_oldest_undelivered_seconds", ""), 20)
	s.runUntil(d, s.allDone)
	for outcome, want := range map[string]float64{"delivered": 1, "failed": 8, "given_up": 1} {
		assert.InDelta(t, want, gauge(t, metrics, "rollcall_webhook_attempts_total", outcome), 0, outcome)
	}
}

func gauge(t *testing.T, metrics *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func TestDeliver_anEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d, _ := s.deliverer(webhook.NewTargets(loopback()))
	endless := newSink(t, accept)
	endless.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	})
	s.subscribe(endless.URL, admitted)
	s.emit(admitted, uuid.New(), 1)
	begin := time.Now()
	s.runUntil(d, s.allDone)
	assert.EqualValues(t, 1, s.count("status = 'delivered'"))
	assert.Less(t, time.Since(begin), 8*time.Second)
}
