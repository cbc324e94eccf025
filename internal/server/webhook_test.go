package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/jobs"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// receiver is another system that hears of events.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	status int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.bodies = append(r.got, request), append(r.bodies, string(body))
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// newWebhookHarness is a service whose webhooks may lead to this machine, with the deliverer at work in the queue.
func newWebhookHarness(t *testing.T) *harness {
	t.Helper()
	_, local, err := net.ParseCIDR("127.0.0.0/8")
	require.NoError(t, err)
	targets := webhook.NewTargets([]*net.IPNet{local})
	h := newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4}, func(d *server.Dependencies) { d.WebhookTargets = targets })
	pool := h.db.Open(t, db.Config{MaxConns: jobs.MinConns})
	log := slog.New(slog.NewTextHandler(h.log, nil))
	deliverer, err := webhook.NewDeliverer(pool, testBox(), targets, log, prometheus.NewRegistry())
	require.NoError(t, err)
	deliverer.Schedule = []time.Duration{10 * time.Millisecond, 10 * time.Millisecond}
	runner, err := jobs.New(jobs.Config{
		DB: pool, Log: log, Metrics: prometheus.NewRegistry(), Grace: 5 * time.Second,
		Tasks: []jobs.Task{{Name: "webhooks", Due: deliverer.Due, Run: deliverer.Run}},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
		targets.Close()
	})
	return h
}

func (h *harness) post(path string, body any) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodPost, Path: path, Token: h.token("admin"), Body: body})
}

func (h *harness) get(path string) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodGet, Path: path, Token: h.token("admin")})
}

const soon = 45 * time.Second

// From the admission to the receiver, and back by hand: the whole way, through the queue.
func TestWebhook_anAdmissionIsHeardOfAndCanBeReplayed(t *testing.T) {
	t.Parallel()
	h := newWebhookHarness(t)
	r := newReceiver(t)
	created := h.post("/v1/webhooks", map[string]any{"url": r.URL + "/hook", "events": []string{"student.withdrawn", "student.admitted"}})
	require.Equal(t, http.StatusCreated, created.Status, "%s", created.Raw)
	path := created.Header.Get("Location")
	secret := created.get("secret").(string)
	assert.NotContains(t, string(h.get(path).Raw), "whsec_", "the secret is shown once")

	assert.Equal(t, http.StatusConflict, h.admit(admission("2026-001", nil)).Status, "an admission that fails")
	student := h.admit(admission("W-1", nil))
	require.Equal(t, http.StatusCreated, student.Status, "%s", student.Raw)
	id := student.get("id").(string)
	require.Equal(t, http.StatusOK, h.do(call{Method: http.MethodPatch, Path: "/v1/students/" + id, Token: h.token("admin"), Body: map[string]any{"lastName": "Other"}}).Status)
	require.Equal(t, http.StatusOK, h.post("/v1/students/"+id+"/withdraw", map[string]any{}).Status)
	require.Eventually(t, func() bool { return len(r.all()) == 2 }, soon, 20*time.Millisecond)
	for i, what := range []string{"student.admitted", "student.withdrawn"} {
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(r.all()[i]), &body))
		assert.Equal(t, what, body["type"])
		assert.Equal(t, map[string]any{"studentId": id}, body["data"], "nothing personal leaves the house")
		assert.Len(t, body, 3)
		verifier, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		require.NoError(t, verifier.Verify([]byte(r.all()[i]), r.got[i].Header))
	}

	delivered := func() bool { return h.get(path+"/deliveries?status=delivered").get("page", "total") == 2.0 }
	require.Eventually(t, delivered, soon, 20*time.Millisecond)
	again := h.get(path+"/deliveries").get("data", 1, "id").(string)
	replay := h.post(path+"/deliveries/"+again+"/replay", nil)
	assert.Equal(t, http.StatusAccepted, replay.Status, "%s", replay.Raw)
	require.Eventually(t, func() bool { return len(r.all()) == 3 }, soon, 20*time.Millisecond)
	assert.Equal(t, r.all()[0], r.all()[2])
	assert.Equal(t, r.got[0].Header["Webhook-Id"], r.got[2].Header["Webhook-Id"])
}

func TestWebhook_aTestEventComesAndOneThatIsGivenUpIsReplayed(t *testing.T) {
	t.Parallel()
	h := newWebhookHarness(t)
	r := newReceiver(t)
	r.answers(http.StatusBadRequest)
	path := h.post("/v1/webhooks", map[string]any{"url": r.URL, "events": []string{"student.updated"}}).Header.Get("Location")
	ping := h.post(path+"/test", nil)
	require.Equal(t, http.StatusAccepted, ping.Status, "%s", ping.Raw)
	status := func() any { return h.get(path+"/deliveries").get("data", 0, "status") }
	require.Eventually(t, func() bool { return status() == "failed" }, soon, 20*time.Millisecond)
	assert.Len(t, r.all(), 3)
	assert.Contains(t, r.all()[0], `"type":"webhook.ping"`)
	assert.Equal(t, "status", h.get(path+"/deliveries").get("data", 0, "error"))
	assert.EqualValues(t, 400, h.get(path+"/deliveries").get("data", 0, "statusCode"))
	assert.NotNil(t, h.get(path).get("failingSince"))

	r.answers(http.StatusOK)
	h.post(path+"/deliveries/"+ping.get("id").(string)+"/replay", nil)
	require.Eventually(t, func() bool { return status() == "delivered" }, soon, 20*time.Millisecond)
	assert.Nil(t, h.get(path).get("failingSince"))
}

func TestWebhook_anInactiveOneGetsWhatWaitedWhenItBecomesActive(t *testing.T) {
	t.Parallel()
	h := newWebhookHarness(t)
	r := newReceiver(t)
	path := h.post("/v1/webhooks", map[string]any{"url": r.URL, "events": []string{"student.updated"}, "isActive": false}).Header.Get("Location")
	rename := func() {
		h.do(call{Method: http.MethodPatch, Path: "/v1/students/" + asha, Token: h.token("admin"), Body: map[string]any{"lastName": "Other"}})
	}
	rename()
	assert.EqualValues(t, 0, h.get(path+"/deliveries").get("page", "total"), "of nothing that happens meanwhile")
	h.post(path+"/test", nil)
	assert.EqualValues(t, 1, h.get(path+"/deliveries?status=pending").get("page", "total"))
	h.do(call{Method: http.MethodPatch, Path: path, Token: h.token("admin"), Body: map[string]any{"isActive": true}})
	require.Eventually(t, func() bool { return len(r.all()) == 1 }, soon, 20*time.Millisecond)
	rename()
	require.Eventually(t, func() bool { return len(r.all()) == 2 }, soon, 20*time.Millisecond)
	h.do(call{Method: http.MethodDelete, Path: path, Token: h.token("admin")})
	rename()
	assert.EqualValues(t, 0, h.count("webhook_deliveries", "webhook_id <> '01900000-0000-7000-8000-000000000c01'"))
}

func TestWebhook_secretsAreSealedAtRestAndLastADayAfterARotation(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	created := h.post("/v1/webhooks", map[string]any{"url": "https://erp.example.org/hooks", "events": []string{"student.updated"}})
	path, secret := created.Header.Get("Location"), created.get("secret").(string)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	require.NoError(t, err)
	assert.Len(t, raw, 32)
	rows := dbtest.Value[string](t, h.db, "select string_agg(w::text || encode(secret, 'escape'), ' ') from "+h.schema()+".webhooks w")
	assert.NotContains(t, rows, secret)
	assert.NotContains(t, rows, strings.TrimPrefix(secret, "whsec_"))

	rotated := h.post(path+"/rotate-secret", nil)
	assert.Equal(t, http.StatusOK, rotated.Status)
	assert.NotEqual(t, secret, rotated.get("secret"))
	until, err := time.Parse(time.RFC3339, rotated.get("webhook", "previousSecretExpiresAt").(string))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(24*time.Hour), until, time.Minute)
	h.db.Exec(t, "update "+h.schema()+".webhooks set previous_secret_expires_at = now() - interval '1 second' where previous_secret is not null")
	assert.Nil(t, h.get(path).get("previousSecretExpiresAt"))
}

func TestWebhook_aSchoolGroupHasTwentyAtMost(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for range 19 { // one is there
		require.Equal(t, http.StatusCreated, h.post("/v1/webhooks", map[string]any{"url": "https://erp.example.org/", "events": []string{"student.updated"}}).Status)
	}
	got := h.post("/v1/webhooks", map[string]any{"url": "https://erp.example.org/", "events": []string{"student.updated"}})
	assert.Equal(t, http.StatusConflict, got.Status)
	assert.Contains(t, got.get("detail"), "20")
}

// Who is limited to an institution makes events all the same, and sees none of this.
func TestWebhook_whoIsLimitedMakesEventsAndSeesNoWebhooks(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.db.Exec(t, "update "+h.schema()+".webhooks set is_active = true")
	clerk := h.userWith(assigned{role: "registrar", institution: mainCampus})
	got := h.as(clerk, http.MethodPost, "/v1/students", admission("L-1", nil))
	require.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	assert.EqualValues(t, 1, h.count("webhook_deliveries", "subject_id = '"+got.get("id").(string)+"' and status = 'pending'"))
	limited := h.userWith(assigned{role: "admin", institution: mainCampus})
	assert.Equal(t, http.StatusForbidden, h.as(limited, http.MethodGet, "/v1/webhooks", nil).Status)
}
