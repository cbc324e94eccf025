package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/outbox"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// waitLimit is how long a test waits for what it expects.
const waitLimit = 45 * time.Second

// school is a tenant whose events are delivered.
type school struct {
	*dbtest.Database

	t      *testing.T
	tenant tenant.Tenant
	schema string
	box    *seal.Box
}

func newSchool(t *testing.T) *school {
	t.Helper()
	d := dbtest.New(t)
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	require.NoError(t, err)
	demo := d.Tenant(t, "demo")
	return &school{Database: d, t: t, tenant: demo, schema: db.SchemaName(demo.ID), box: box}
}

// loopback lets the sinks of the tests be reached.
func loopback() []*net.IPNet {
	_, v4, _ := net.ParseCIDR("127.0.0.0/8")
	return []*net.IPNet{v4}
}

// deliverer is one that waits hardly at all.
func (s *school) deliverer(targets *webhook.Targets) (*webhook.Deliverer, *prometheus.Registry) {
	s.t.Helper()
	s.t.Cleanup(targets.Close)
	metrics := prometheus.NewRegistry()
	d, err := webhook.NewDeliverer(s.Open(s.t, db.Config{MaxConns: 4}), s.box, targets, slog.New(slog.NewTextHandler(testLog{s.t}, nil)), metrics)
	require.NoError(s.t, err)
	d.Schedule = make([]time.Duration, len(webhook.Schedule))
	for i := range d.Schedule {
		d.Schedule[i] = time.Millisecond
	}
	d.FirstPause = time.Millisecond
	return d, metrics
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// subscribe makes a webhook, and returns its id and secret.
func (s *school) subscribe(url string, events ...api.EventType) (id uuid.UUID, secret string) {
	s.t.Helper()
	id, secret = uuid.Must(uuid.NewV7()), webhook.NewSecret()
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = string(e)
	}
	s.inTenant(func(ctx context.Context, q *db.Queries) error {
		_, err := q.CreateWebhook(ctx, gendb.CreateWebhookParams{
			ID: id, Url: url, Events: names, IsActive: true, Secret: webhook.SealSecret(s.box, s.tenant.ID, id, secret),
		})
		return err
	})
	return id, secret
}

func (s *school) inTenant(work db.Func) {
	s.t.Helper()
	require.NoError(s.t, s.DB.InTx(s.t.Context(), db.Tenant(s.tenant.ID), db.Options{}, work))
}

// emit makes an event in a transaction of its own. n tells the events of a subject apart.
func (s *school) emit(what api.EventType, subject uuid.UUID, n int) {
	s.t.Helper()
	s.inTenant(func(ctx context.Context, q *db.Queries) error { return outbox.Emit(ctx, q, event(what, subject, n)) })
}

func event(what api.EventType, subject uuid.UUID, n int) outbox.Event {
	return outbox.Event{Type: what, Subject: subject, Data: map[string]any{"studentId": subject, "n": n}}
}

// runUntil runs a deliverer again and again, as the queue does, until done.
func (s *school) runUntil(d *webhook.Deliverer, done func() bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		require.NoError(s.t, d.Run(s.t.Context(), s.tenant.ID))
		return done()
	}, waitLimit, time.Millisecond)
}

// count counts deliveries.
func (s *school) count(where string) int64 {
	s.t.Helper()
	return dbtest.Value[int64](s.t, s.Database, "select count(*) from "+s.schema+".webhook_deliveries where "+where)
}

func (s *school) allDone() bool { return s.count("status = 'pending'") == 0 }

// received is a delivery as the sink got it.
type received struct {
	id      string
	header  http.Header
	body    []byte
	Type    string
	Subject string
	N       int
	answer  int
}

// sink is a receiver. answer decides what each delivery gets: a status, or 0 for a connection that breaks.
type sink struct {
	*httptest.Server

	mu          sync.Mutex
	got         []received
	answer      func(received) int
	connections int
}

func newSink(t *testing.T, answer func(received) int) *sink {
	t.Helper()
	s := &sink{answer: answer}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.connections++
			s.mu.Unlock()
		}
	}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func accept(received) int { return http.StatusNoContent }

func (s *sink) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := received{id: r.Header.Get("Webhook-Id"), header: r.Header, body: body}
	var decoded struct {
		Type string
		Data struct {
			StudentID string `json:"studentId"`
			N         int
		}
	}
	if err := json.Unmarshal(body, &decoded); err == nil {
		got.Type, got.Subject, got.N = decoded.Type, decoded.Data.StudentID, decoded.Data.N
	}
	s.mu.Lock()
	got.answer = s.answer(got)
	s.got = append(s.got, got)
	s.mu.Unlock()
	switch {
	case got.answer == 0:
		panic(http.ErrAbortHandler)
	case got.answer >= 300 && got.answer < 400:
		http.Redirect(w, r, "/elsewhere", got.answer)
	default:
		w.WriteHeader(got.answer)
	}
}

func (s *sink) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

var errRolledBack = errors.New("rolled back")
