package torture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// registrar is the demo's user who admits students.
const registrar = "01900000-0000-7000-8000-000000000502"

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

// service is one instance, on a demo-seeded database.
type service struct {
	t       *testing.T
	url     string
	direct  string // to look behind its back
	token   string
	db      *db.DB
	limiter *ratelimit.Limiter
	client  *http.Client
}

// options are how a service reaches what it stands on.
type options struct {
	config   db.Config
	limits   ratelimit.Config
	room     server.Concurrency
	direct   string
	registry *prometheus.Registry
}

var document = sync.OnceValues(contract.Load)

func newService(t *testing.T, o options) *service {
	t.Helper()
	c, err := document()
	require.NoError(t, err)
	if o.limits.Scale == 0 {
		o.limits.Scale = 1e5
	}
	if o.registry == nil {
		o.registry = server.NewMetrics()
	}
	s := &service{t: t, direct: o.direct}
	s.token = newToken(t, o.direct, seed.DemoTenant)
	makeRoom(t, o.direct)
	s.limiter, err = ratelimit.New(o.limits)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.limiter.Close()) })
	s.db, err = db.Open(context.WithoutCancel(t.Context()), o.config)
	require.NoError(t, err)
	t.Cleanup(s.db.Close)
	handler, err := server.New(server.Dependencies{
		DB: s.db, Contract: c, Box: testBox(), Sessions: auth.Limits{Idle: time.Hour, Lifetime: 12 * time.Hour}, Limiter: s.limiter,
		Concurrency: o.room, Metrics: o.registry, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	listening := httptest.NewServer(handler)
	s.url = listening.URL
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: time.Minute}
	t.Cleanup(func() { s.client.CloseIdleConnections(); listening.Close() })
	return s
}

// newToken makes a session behind the API's back.
func newToken(t *testing.T, url string, id uuid.UUID) string {
	t.Helper()
	token := auth.NewToken(id)
	execute(t, url, `insert into `+db.SchemaName(id)+`.sessions (id, user_id, token_hash, expires_at) values ($1, $2, $3, now() + interval '1 hour')`,
		uuid.Must(uuid.NewV7()), registrar, token.Hash())
	return token.String()
}

// makeRoom makes the demo's sections larger than any is.
func makeRoom(t *testing.T, url string) {
	t.Helper()
	sections := db.SchemaName(seed.DemoTenant) + ".sections"
	execute(t, url, "alter table "+sections+" drop constraint sections_capacity_check")
	execute(t, url, "update "+sections+" set capacity = 1000000")
}

func execute(t *testing.T, url, statement string, arguments ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

func valuesOf[T any](t *testing.T, url, query string) []T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), query)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

// request sends one and returns the status; 0 when no answer came.
func (s *service) request(method, path, token, body string) int {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, s.url+path, reader)
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

const admission = `{"firstName":"New","lastName":"Comer","admissionNumber":%q,"admissionDate":"2026-06-01",
	"institutionId":"01900000-0000-7000-8000-000000000101","academicYearId":"01900000-0000-7000-8000-000000000201",
	"classId":"01900000-0000-7000-8000-000000000302","sectionId":"01900000-0000-7000-8000-000000000403",
	"guardians":[{"firstName":"Maria","lastName":"Comer","relationship":"mother","isPrimary":true}]}`

func (s *service) admit(number string) int {
	return s.request(http.MethodPost, "/v1/students", s.token, fmt.Sprintf(admission, number))
}

func (s *service) read() int { return s.request(http.MethodGet, "/v1/students?limit=5", s.token, "") }

// load is writers who admit and readers who list, one request after the other, until stop.
type load struct {
	s    *service
	all  sync.WaitGroup
	quit chan struct{}

	mu           sync.Mutex
	acknowledged []string
	statuses     map[int]int
	latencies    []time.Duration
}

func (s *service) start(writers, readers int) *load {
	l := &load{s: s, quit: make(chan struct{}), statuses: map[int]int{}}
	for w := range writers {
		l.all.Go(func() {
			l.repeat(func(n int) (string, int) { number := fmt.Sprintf("T-%d-%d", w, n); return number, s.admit(number) })
		})
	}
	for range readers {
		l.all.Go(func() { l.repeat(func(int) (string, int) { return "", s.read() }) })
	}
	return l
}

func (l *load) repeat(send func(n int) (number string, status int)) {
	for n := 0; ; n++ {
		select {
		case <-l.quit:
			return
		default:
		}
		begin := time.Now()
		number, status := send(n)
		l.mu.Lock()
		l.statuses[status]++
		l.latencies = append(l.latencies, time.Since(begin))
		if status == http.StatusCreated {
			l.acknowledged = append(l.acknowledged, number)
		}
		l.mu.Unlock()
		if status >= http.StatusInternalServerError {
			time.Sleep(5 * time.Millisecond) // Retry-After would say longer; this presses harder
		}
	}
}

func (l *load) stop() {
	close(l.quit)
	l.all.Wait()
	slices.Sort(l.latencies)
}

func (l *load) quantile(q float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[int(q*float64(len(l.latencies)-1))].Round(time.Millisecond / 10)
}

func (l *load) longest() time.Duration { return l.quantile(1) }

// assertClean holds the answers to what may be said while something is broken.
func (l *load) assertClean() {
	l.s.t.Helper()
	for status, count := range l.statuses {
		assert.Contains(l.s.t, []int{http.StatusOK, http.StatusCreated, http.StatusServiceUnavailable}, status, "%d answers", count)
	}
}

// damage is what must not be.
type damage struct{ lost, doubled, partial int }

// assertWhole looks into the database: everything acknowledged is there, once, and nothing is there by half.
func (l *load) assertWhole() (found damage) {
	t, schema := l.s.t, db.SchemaName(seed.DemoTenant)
	t.Helper()
	durable := valuesOf[string](t, l.s.direct, `select admission_number from `+schema+`.students where admission_number like 'T-%'`)
	slices.Sort(durable)
	for _, number := range l.acknowledged {
		if _, there := slices.BinarySearch(durable, number); !there {
			t.Errorf("%s was acknowledged and is lost", number)
			found.lost++
		}
	}
	found.doubled = len(durable) - len(slices.Compact(slices.Clone(durable)))
	for what, query := range map[string]string{
		"students without an enrollment": `select s.id::text from $.students s where s.admission_number like 'T-%' and not exists (select from $.enrollments e where e.student_id = s.id)`,
		"students without a guardian":    `select s.id::text from $.students s where s.admission_number like 'T-%' and not exists (select from $.student_guardians g where g.student_id = s.id)`,
		"users without a student":        `select u.id::text from $.users u where u.first_name = 'New' and not exists (select from $.students s where s.user_id = u.id)`,
	} {
		rows := valuesOf[string](t, l.s.direct, strings.ReplaceAll(query, "$", schema))
		assert.Empty(t, rows, what)
		found.partial += len(rows)
	}
	assert.Zero(t, found.doubled)
	return found
}

// String is the damage for the table.
func (d damage) String() string {
	return fmt.Sprintf("%d lost, %d doubled, %d in part", d.lost, d.doubled, d.partial)
}

// recovery is how long it takes until a request succeeds again.
func (s *service) recovery(attempt func() int, limit time.Duration) time.Duration {
	s.t.Helper()
	begin := time.Now()
	require.Eventually(s.t, func() bool { status := attempt(); return status == http.StatusOK || status == http.StatusCreated }, limit, 5*time.Millisecond)
	return time.Since(begin).Round(time.Millisecond)
}

// assertIdle holds the pool to what it was before: no connection is in use.
func (s *service) assertIdle() {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.db.InUse() == 0 }, 10*time.Second, 5*time.Millisecond, "a connection is still in use")
}
