package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
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
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/testreport"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// Ids of the demo school, as the examples of openapi.yaml use them.
const (
	mainCampus = "01900000-0000-7000-8000-000000000101"
	year2026   = "01900000-0000-7000-8000-000000000201"
	grade1     = "01900000-0000-7000-8000-000000000301"
	grade1A    = "01900000-0000-7000-8000-000000000401"
	grade5     = "01900000-0000-7000-8000-000000000302"
	grade1B    = "01900000-0000-7000-8000-000000000402"
	grade5B    = "01900000-0000-7000-8000-000000000404"
	grade5A    = "01900000-0000-7000-8000-000000000403"
	asha       = "01900000-0000-7000-8000-000000000601"
)

// exampleTime is when the codes of second factors in the examples of openapi.yaml are good.
var exampleTime = time.Date(2026, 11, 23, 12, 15, 0, 0, time.UTC)

// document is the compiled contract, shared: it is immutable.
var document = sync.OnceValues(contract.Load)

// harness is the whole service on a demo-seeded database of the test's own.
type harness struct {
	t        *testing.T
	url      string
	db       *dbtest.Database
	contract *contract.Contract
	client   *http.Client
	log      *logBuffer
	memory   *auth.Memory
}

// newRoomyHarness has room for many more students in every section.
func newRoomyHarness(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	h.db.Exec(t, `update `+h.schema()+`.sections set capacity = 1000`)
	return h
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessWith(t, db.Config{MaxConns: 4})
}

func newHarnessWith(t *testing.T, config db.Config) *harness {
	t.Helper()
	return newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), config)
}

// newHarnessOn serves a database that is there already; config.URL may lead to it another way.
func newHarnessOn(t *testing.T, database *dbtest.Database, config db.Config, adjust ...func(*server.Dependencies)) *harness {
	t.Helper()
	c, err := document()
	require.NoError(t, err)
	return newHarnessOf(t, c, database, config, adjust...)
}

// newHarnessOf serves by another document.
func newHarnessOf(t *testing.T, c *contract.Contract, database *dbtest.Database, config db.Config, adjust ...func(*server.Dependencies)) *harness {
	t.Helper()
	log := &logBuffer{t: t}
	d := server.Dependencies{
		DB: database.Open(t, config), Contract: c, Box: testBox(), Sessions: auth.Limits{Idle: time.Hour, Lifetime: 12 * time.Hour}, Metrics: server.NewMetrics(), Log: newLogger(c, log),
		WebhookTargets:    webhook.NewTargets(nil),
		Now:               func() time.Time { return exampleTime },
		Limiter:           newLimiter(t, ratelimit.Config{Scale: 1000}), // the tests of the limits have their own
		Concurrency:       server.Concurrency{Requests: 1000, Tenant: 1000},
		ValidateResponses: true,
	}
	d.Memory = newMemory(t, d.Metrics, database.URL)
	for _, change := range adjust {
		change(&d)
	}
	e, err := server.New(d)
	require.NoError(t, err)
	s := httptest.NewServer(e)
	client := s.Client()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		s.Close()
		reportValidated(t, d.Metrics)
	})
	return &harness{t: t, url: s.URL, db: database, contract: c, client: client, log: log, memory: d.Memory}
}

// newMemory runs a memory of sessions, as the service does.
func newMemory(t *testing.T, metrics *prometheus.Registry, url string) *auth.Memory {
	t.Helper()
	memory, err := auth.NewMemory(metrics)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = memory.Run(ctx, url, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return memory
}

// reportValidated adds the answers that the service has held against the document to the report of the tests.
func reportValidated(t *testing.T, metrics *prometheus.Registry) {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "rollcall_responses_validated_total" {
			for _, m := range family.GetMetric() {
				testreport.Add(t, "responses validated", int(m.GetCounter().GetValue()))
			}
		}
	}
}

// logBuffer keeps the service's log, which a failing test prints.
type logBuffer struct {
	t       *testing.T
	mu      sync.Mutex
	content bytes.Buffer
	// mayBreakTheDocument is for tests whose document is wrong on purpose.
	mayBreakTheDocument bool
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.t.Log(strings.TrimSuffix(string(p), "\n"))
	if !b.mayBreakTheDocument && bytes.Contains(p, []byte("is not what the document says")) {
		b.t.Errorf("an answer is not what the document says: %s", p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

func testBox() *seal.Box {
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		panic(err)
	}
	return box
}

func seedDemo(ctx context.Context, url string) error {
	d, err := db.Open(ctx, db.Config{URL: url})
	if err != nil {
		return err
	}
	defer d.Close()
	return seed.Demo(ctx, d, tenant.NewRegistry(d, url), testBox())
}

// schema is the demo tenant's schema, for looking behind the API.
func (h *harness) schema() string { return db.SchemaName(seed.DemoTenant) }

var demoUsers = map[string]string{
	"admin": "01900000-0000-7000-8000-000000000501", "registrar": "01900000-0000-7000-8000-000000000502",
	"teacher": "01900000-0000-7000-8000-000000000503", "guardian": "01900000-0000-7000-8000-000000000504",
}

// token makes a session of a demo user behind the API's back, which saves the password hash.
func (h *harness) token(role string) string {
	h.t.Helper()
	return h.tokenIn(seed.DemoTenant, demoUsers[role], time.Hour)
}

func (h *harness) tokenIn(tenantID uuid.UUID, user string, lifetime time.Duration) string {
	h.t.Helper()
	token := auth.NewToken(tenantID)
	h.insertSession(token, user, api.TransportBearer, lifetime)
	return token.String()
}

// insertSession makes a session in which all factors were given just now, those too that the user does not have.
func (h *harness) insertSession(token auth.Token, user string, transport api.Transport, lifetime time.Duration) {
	h.t.Helper()
	h.db.Exec(h.t, `insert into `+db.SchemaName(token.Tenant)+`.sessions (id, user_id, token_hash, transport, created_at, expires_at, factor_at)
		values ($1, $2, $3, $4, now() - interval '1 hour', now() + make_interval(secs => $5), now())`,
		uuid.Must(uuid.NewV7()), user, token.Hash(), string(transport), lifetime.Seconds())
}

// call is a request; the zero value of everything but Method and Path is usual.
type call struct {
	Method, Path string
	Token        string
	Cookie       string // the value of the session's cookie
	Body         any    // marshalled; a string or []byte is sent as it is
	Header       map[string]string
}

// answer is a response.
type answer struct {
	Status int
	Header http.Header
	Raw    []byte
	JSON   any
}

// do sends a request. The service holds every answer against the document itself (ValidateResponses).
func (h *harness) do(c call) answer {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), c.Method, h.url+c.Path, bodyOf(h.t, c.Body))
	require.NoError(h.t, err)
	if c.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Cookie != "" {
		request.Header.Set("Cookie", auth.CookieName+"="+c.Cookie)
	}
	for name, value := range c.Header {
		request.Header.Set(name, value)
	}
	return h.send(request)
}

func (h *harness) send(request *http.Request) answer {
	h.t.Helper()
	response, err := h.client.Do(request)
	require.NoError(h.t, err)
	defer func() { _ = response.Body.Close() }()
	a := answer{Status: response.StatusCode, Header: response.Header}
	assertClosed(h.t, request, response.Header)
	a.Raw, err = io.ReadAll(response.Body)
	require.NoError(h.t, err)
	if len(a.Raw) > 0 && strings.Contains(response.Header.Get("Content-Type"), "json") {
		require.NoError(h.t, json.Unmarshal(a.Raw, &a.JSON), "body: %s", a.Raw)
	}
	return a
}

// assertClosed holds every answer of every test to the headers that close what browsers leave open.
func assertClosed(t *testing.T, r *http.Request, header http.Header) {
	t.Helper()
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	require.Equal(t, "DENY", header.Get("X-Frame-Options"))
	for _, directive := range []string{"default-src", "base-uri", "form-action", "frame-ancestors"} {
		require.Contains(t, header.Get("Content-Security-Policy"), directive+" 'none'")
	}
	require.Equal(t, "max-age=63072000; includeSubDomains", header.Get("Strict-Transport-Security"))
	require.Equal(t, "no-referrer", header.Get("Referrer-Policy"))
	require.Empty(t, header.Get("Access-Control-Allow-Origin"), "no other origin may read it")
	require.NotEmpty(t, header.Get("X-Request-ID"))
	require.Empty(t, header.Get("Server"), "no banner")
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		require.Equal(t, "no-store", header.Get("Cache-Control"))
	}
}

func bodyOf(t *testing.T, body any) io.Reader {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(b)
	case []byte:
		return bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		require.NoError(t, err)
		return bytes.NewReader(raw)
	}
}

// get walks into the JSON answer: get("errors", 0, "field").
func (a answer) get(path ...any) any {
	value := a.JSON
	for _, p := range path {
		switch p := p.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[p]
		case int:
			list, _ := value.([]any)
			if p >= len(list) {
				return nil
			}
			value = list[p]
		}
	}
	return value
}

// fault is what a test says of one entry of errors.
type fault struct{ Field, Code string }

func (a answer) faults() []fault {
	list, _ := a.get("errors").([]any)
	faults := make([]fault, len(list))
	for i := range list {
		faults[i] = fault{Field: a.get("errors", i, "field").(string), Code: a.get("errors", i, "code").(string)}
	}
	return faults
}

// digest is a fingerprint of every row of the demo tenant, sessions, counted guesses and the audit trail aside: equal
// before and after means nothing was written.
func (h *harness) digest() map[string]string {
	h.t.Helper()
	return h.digestOf(h.schema())
}

func (h *harness) digestOf(schema string) map[string]string {
	h.t.Helper()
	tables := dbtest.Values[string](h.t, h.db, `select tablename::text from pg_tables where schemaname = $1 and tablename not in ('sessions', 'guesses') and tablename not like 'audit\_%'`, schema)
	var each []string
	for _, table := range tables {
		each = append(each, `select '`+table+` ' || count(*) || ' ' || coalesce(sum(hashtextextended(r::text, 0)), 0) from `+schema+`.`+table+` r`)
	}
	all := map[string]string{}
	for _, line := range dbtest.Values[string](h.t, h.db, strings.Join(each, " union all ")) {
		table, digest, _ := strings.Cut(line, " ")
		all[table] = digest
	}
	return all
}

func (h *harness) count(table, where string, args ...any) int64 {
	h.t.Helper()
	return dbtest.Value[int64](h.t, h.db, `select count(*) from `+h.schema()+`.`+table+` where `+where, args...)
}

func valueOf(t *testing.T, h *harness, sql string) int64 {
	t.Helper()
	return dbtest.Value[int64](t, h.db, sql)
}
