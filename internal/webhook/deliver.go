package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

const (
	// lease is how long a claimed delivery is its deliverer's, and a woken tenant its job's.
	lease = 2 * time.Minute
	// atOnce is how many deliveries are sent to one endpoint at the same time, and to how many endpoints of a tenant.
	atOnce = 8
	// lastStart is how long before its end a run begins nothing new.
	lastStart = 2 * attemptTimeout
	// awakeAtOnce bounds how many tenants are looked into after one look.
	awakeAtOnce = 1000
	// noteTimeout bounds writing down how an attempt ended, when its context may be over.
	noteTimeout = 5 * time.Second
)

// Deliverer sends what is due. It is safe for concurrent use.
type Deliverer struct {
	DB      *db.DB
	Box     *seal.Box
	Targets *Targets
	Log     *slog.Logger
	// Schedule are the waits after each failed attempt, FirstPause how long an endpoint is left alone at first; by default
	// those of rules.go.
	Schedule   []time.Duration
	FirstPause time.Duration

	outcomes *prometheus.CounterVec
}

// NewDeliverer makes a deliverer and registers its metrics.
func NewDeliverer(d *db.DB, box *seal.Box, targets *Targets, log *slog.Logger, metrics prometheus.Registerer) (*Deliverer, error) {
	outcomes := newOutcomes()
	if err := errors.Join(metrics.Register(outcomes), metrics.Register(newBacklog(d))); err != nil {
		return nil, fmt.Errorf("register the metrics of webhooks: %w", err)
	}
	return &Deliverer{DB: d, Box: box, Targets: targets, Log: log, Schedule: schedule, FirstPause: 30 * time.Second, outcomes: outcomes}, nil
}

// Due are tenants in which something is to be delivered now.
func (d *Deliverer) Due(ctx context.Context) ([]uuid.UUID, error) {
	return db.InTxValue(ctx, d.DB, db.Control, db.ReadOnly, func(ctx context.Context, q *db.Queries) ([]uuid.UUID, error) {
		return q.AwakeTenants(ctx, awakeAtOnce)
	})
}

// Run delivers what is due in a tenant, as far as ctx lasts, and says when there is more to do. A delivery that fails is
// no error.
func (d *Deliverer) Run(ctx context.Context, tenant uuid.UUID) error {
	err := d.DB.InTx(ctx, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) error {
		return q.TakeWakeups(ctx, tenant, lease.Seconds())
	})
	if err != nil {
		return fmt.Errorf("take the wake-ups: %w", err)
	}
	for more := true; more && hasTime(ctx); {
		if more, err = d.round(ctx, tenant); err != nil {
			return err
		}
	}
	return d.sleep(ctx, tenant)
}

func hasTime(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() == nil && (!bounded || time.Until(deadline) > lastStart)
}

// round sends some of what is due to each endpoint that something is due to, and reports whether it found anything.
func (d *Deliverer) round(ctx context.Context, tenant uuid.UUID) (found bool, err error) {
	due, err := db.InTxValue(ctx, d.DB, db.Tenant(tenant), db.ReadOnly, func(ctx context.Context, q *db.Queries) ([]gendb.Webhook, error) {
		return q.DueWebhooks(ctx, mostWebhooks)
	})
	if err != nil {
		return false, fmt.Errorf("find what is due: %w", err)
	}
	var claimed atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, w := range due {
		group.Go(func() error {
			n, err := d.deliverTo(ctx, endpoint{Webhook: w, tenant: tenant})
			claimed.Add(int64(n))
			return err
		})
	}
	err = group.Wait()
	return claimed.Load() > 0, err
}

// endpoint is a webhook of a tenant.
type endpoint struct {
	gendb.Webhook

	tenant uuid.UUID
}

// deliverTo claims some deliveries to an endpoint and sends them side by side: they are of different subjects.
func (d *Deliverer) deliverTo(ctx context.Context, e endpoint) (claimed int, err error) {
	limit := int32(atOnce)
	if e.Failures >= breakerFailures {
		limit = 1 // the breaker was open; this one tries
	}
	rows, err := db.InTxValue(ctx, d.DB, db.Tenant(e.tenant), db.Options{}, func(ctx context.Context, q *db.Queries) ([]gendb.ClaimDeliveriesRow, error) {
		return q.ClaimDeliveries(ctx, gendb.ClaimDeliveriesParams{WebhookID: e.ID, LeaseSeconds: lease.Seconds(), RowLimit: limit})
	})
	if err != nil {
		return 0, fmt.Errorf("claim deliveries: %w", err)
	}
	var group errgroup.Group
	for _, row := range rows {
		group.Go(func() error {
			result := d.send(ctx, e, row)
			if ctx.Err() != nil && result.fault != "" {
				return nil // we are being stopped: it is due again when the lease is over
			}
			return d.note(ctx, e, row, result)
		})
	}
	return len(rows), group.Wait()
}

// result is how an attempt ended.
type result struct {
	status int    // of the answer; 0 without one
	fault  string // as in webhook_deliveries.error; empty: delivered
}

// ofEndpoint is true of a failure that has nothing to do with what was sent.
func (r result) ofEndpoint() bool {
	return r.fault != "" && (r.status == 0 || r.status == http.StatusTooManyRequests || r.status >= http.StatusInternalServerError)
}

// send sends a delivery, signed with each secret that is in use.
func (d *Deliverer) send(ctx context.Context, e endpoint, row gendb.ClaimDeliveriesRow) result {
	request, err := d.request(ctx, e, row)
	if err != nil {
		d.Log.ErrorContext(ctx, "a webhook's request could not be made", "tenant", e.tenant.String(), "webhook", e.ID.String(), "error", err)
		return result{fault: "connection"}
	}
	response, err := d.Targets.client(request.URL).Do(request)
	if err != nil {
		return result{fault: faultOf(err)}
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer) // so that the connection can be used again
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return result{status: response.StatusCode, fault: "status"}
	}
	return result{status: response.StatusCode}
}

func faultOf(err error) string {
	var timeout net.Error
	switch {
	case isClosed(err):
		return "address"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "connection"
	}
}

func (d *Deliverer) request(ctx context.Context, e endpoint, row gendb.ClaimDeliveriesRow) (*http.Request, error) {
	body, err := json.Marshal(message{Type: row.Type, Timestamp: row.EventAt, Data: row.Data})
	if err != nil {
		return nil, fmt.Errorf("encode the event: %w", err)
	}
	secrets, err := d.secrets(e)
	if err != nil {
		return nil, err
	}
	id, now := row.EventID.String(), time.Now()
	signature, err := sign(id, now, body, secrets...)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "rollcall-webhooks")
	request.Header["webhook-id"] = []string{id} // as the standard writes them
	request.Header["webhook-timestamp"] = []string{strconv.FormatInt(now.Unix(), 10)}
	request.Header["webhook-signature"] = []string{signature}
	return request, nil
}

// secrets are those in use, the newest first.
func (d *Deliverer) secrets(e endpoint) ([]string, error) {
	sealed := [][]byte{e.Secret}
	if e.PreviousSecretExpiresAt != nil && e.PreviousSecretExpiresAt.After(time.Now()) {
		sealed = append(sealed, e.PreviousSecret)
	}
	secrets := make([]string, len(sealed))
	for i, s := range sealed {
		var err error
		if secrets[i], err = d.Box.Open(s, secretPlace(e.tenant, e.ID)); err != nil {
			return nil, fmt.Errorf("open a secret: %w", err)
		}
	}
	return secrets, nil
}

// note writes down how an attempt ended.
func (d *Deliverer) note(ctx context.Context, e endpoint, row gendb.ClaimDeliveriesRow, r result) error {
	finished := gendb.FinishDeliveryParams{ID: row.ID, Attempts: row.Attempts, Status: statusDelivered}
	if r.status != 0 {
		finished.StatusCode = new(int32(r.status))
	}
	outcome := "delivered"
	if r.fault != "" {
		finished.Error = &r.fault
		outcome = d.again(&finished, row.Attempts)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	err := d.DB.InTx(ctx, db.Tenant(e.tenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		if err := q.FinishDelivery(ctx, finished); err != nil {
			return fmt.Errorf("note a delivery: %w", err)
		}
		if r.fault == "" {
			return q.NoteWebhookSuccess(ctx, e.ID)
		}
		return d.noteFailure(ctx, q, e, r)
	})
	if err == nil {
		d.outcomes.WithLabelValues(outcome).Inc()
	}
	return err
}

// again says when a failed delivery is due again, or gives it up.
func (d *Deliverer) again(finished *gendb.FinishDeliveryParams, attempts int32) (outcome string) {
	if int(attempts) > len(d.Schedule) {
		finished.Status = statusFailed
		return "given_up"
	}
	finished.Status = statusPending
	finished.WaitSeconds = jittered(d.Schedule[attempts-1]).Seconds()
	return "failed"
}

// noteFailure leaves an endpoint alone that does not answer, and disables one that is gone or hopeless.
func (d *Deliverer) noteFailure(ctx context.Context, q *db.Queries, e endpoint, r result) error {
	noted, err := q.NoteWebhookFailure(ctx, r.ofEndpoint(), e.ID)
	if err != nil {
		return fmt.Errorf("note a failure: %w", err)
	}
	reason := ""
	switch {
	case r.status == http.StatusGone:
		reason = "gone"
	case noted.FailingSince != nil && time.Since(*noted.FailingSince) > hopeless:
		reason = "failing"
	default:
		pause := pauseAfter(noted.Failures, d.FirstPause)
		if pause == 0 {
			return nil
		}
		return q.PauseWebhook(ctx, jittered(pause).Seconds(), e.ID)
	}
	d.Log.WarnContext(ctx, "webhook disabled", "tenant", e.tenant.String(), "webhook", e.ID.String(), "reason", reason)
	return q.DisableWebhook(ctx, &reason, e.ID)
}

// sleep leaves a wake-up for what is still to be delivered.
func (d *Deliverer) sleep(ctx context.Context, tenant uuid.UUID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	next, err := db.InTxValue(ctx, d.DB, db.Tenant(tenant), db.ReadOnly, func(ctx context.Context, q *db.Queries) (gendb.NextDeliveryRow, error) {
		return q.NextDelivery(ctx)
	})
	if err != nil {
		return fmt.Errorf("look for the next delivery: %w", err)
	}
	return d.DB.InTx(ctx, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) error {
		if err := q.RemoveLaterWakeups(ctx, tenant); err != nil {
			return fmt.Errorf("remove wake-ups: %w", err)
		}
		if next.Pending == 0 {
			return nil
		}
		return q.AddWakeup(ctx, gendb.AddWakeupParams{TenantID: tenant, DueAt: next.DueAt, OldestAt: next.OldestAt})
	})
}
