package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// Concurrency bounds how many requests are worked on at once. More wait a little, in line; what is more than that is refused
// at once, so that the work that is done is done in time.
type Concurrency struct {
	Requests int // of the instance; default 64
	Tenant   int // of one tenant, so that it leaves room for the others; default 8
}

const (
	// queueLength is how many wait for each one that is worked on; it bounds the memory.
	queueLength = 15
	// tenantsShare is the part of all who run or wait that one tenant may be: a quarter.
	tenantsShare = 4
	// patience is how long a request waits for its turn.
	patience = time.Second
)

// overload sheds what is too much.
//
//	a request ──> waits for its tenant's turn ──> waits for the instance's turn ──> authentication, limits, handler
//
// The tenant is known before authentication where the token has authenticated here lately: what it says of its tenant is
// true then, and a noisy tenant's surplus does not even reach the database. Others line up for their tenant's turn right after
// authentication.
type overload struct {
	requests *resilience.Bulkhead
	tenants  *resilience.Bulkheads[uuid.UUID]
	shed     *prometheus.CounterVec
}

func newOverload(c Concurrency, registry prometheus.Registerer) (*overload, error) {
	if c.Requests == 0 {
		c.Requests = 64
	}
	if c.Tenant == 0 {
		c.Tenant = 8
	}
	o := &overload{
		requests: resilience.NewBulkhead(resilience.BulkheadPolicy{Running: c.Requests, Waiting: c.Requests * queueLength, Patience: patience}),
		tenants: resilience.NewBulkheads[uuid.UUID](resilience.BulkheadPolicy{
			Running: c.Tenant, Waiting: max(0, c.Requests*(queueLength+1)/tenantsShare-c.Tenant), Patience: patience,
		}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_http_shed_total", Help: "Requests that were refused because too many were there already, by whose bound it was.",
		}, []string{"bound"}),
	}
	inside := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_http_requests_in_flight", Help: "Requests to operations that are worked on, or wait for the instance's turn.",
	}, func() float64 { return float64(o.requests.Inside()) })
	if err := errors.Join(registry.Register(o.shed), registry.Register(inside)); err != nil {
		return nil, fmt.Errorf("register the metrics of overload: %w", err)
	}
	for _, bound := range []string{boundTenant, boundInstance} {
		o.shed.WithLabelValues(bound)
	}
	return o, nil
}

// Whose bound it was that a request did not fit in.
const (
	boundTenant   = "tenant"
	boundInstance = "instance"
)

// turn is one request's place. It is used by the request's own goroutine.
type turn struct {
	*overload

	counted bool // for its tenant
	taken   int
	leaves  [2]func() // of those that are taken
}

// enter waits for the turn of a request, of this tenant if it is known.
func (o *overload) enter(ctx context.Context, tenant uuid.UUID) (*turn, error) {
	t := &turn{overload: o}
	return t, t.lineUp(ctx, tenant)
}

// lineUp waits for the turn of the tenant, if it is known, and then of the instance. After an error it holds neither.
func (t *turn) lineUp(ctx context.Context, tenant uuid.UUID) error {
	if tenant != uuid.Nil {
		leave, err := t.tenants.Enter(ctx, tenant)
		if err := t.take(boundTenant, leave, err); err != nil {
			return err
		}
		t.counted = true
	}
	leave, err := t.requests.Enter(ctx)
	if err = t.take(boundInstance, leave, err); err != nil {
		t.leave()
	}
	return err
}

// enterTenant counts a request for its tenant that has not been yet. It gives the instance's turn back and lines up again:
// who waits for a tenant's turn holds nothing that others need.
func (t *turn) enterTenant(ctx context.Context) error {
	principal, signedIn := auth.Lookup(ctx)
	if !signedIn || t.counted {
		return nil
	}
	t.leave()
	return t.lineUp(ctx, principal.Tenant)
}

// take keeps a turn, or says whose bound it was that there is none.
func (t *turn) take(bound string, leave func(), err error) error {
	if err == nil {
		t.leaves[t.taken] = leave
		t.taken++
		return nil
	}
	if !errors.Is(err, resilience.ErrFull) {
		return apperr.Wrap(apperr.Canceled, "", err)
	}
	t.shed.WithLabelValues(bound).Inc()
	e := apperr.Wrap(apperr.Unavailable, "Too many requests are being worked on. Nothing was written; try again shortly.", err)
	e.RetryAfter = time.Second
	return e
}

func (t *turn) leave() {
	for _, leave := range t.leaves[:t.taken] {
		leave()
	}
	t.taken = 0
}
