package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/torture"
	"github.com/rollcall-erp/rollcall/internal/toxictest"
)

// testKey is the base64 of the key that the tests' databases are sealed with.
const testKey = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="

// newDemo has the demo, and room in its sections for all whom the tests admit.
func newDemo(t *testing.T) *dbtest.Database {
	t.Helper()
	d := dbtest.NewFrom(t, "demo", func(ctx context.Context, url string) error {
		box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
		if err != nil {
			return err
		}
		d, err := db.Open(ctx, db.Config{URL: url})
		if err != nil {
			return err
		}
		defer d.Close()
		return seed.Demo(ctx, d, tenant.NewRegistry(d, url), box)
	})
	sections := db.SchemaName(seed.DemoTenant) + ".sections"
	d.Exec(t, "alter table "+sections+" drop constraint sections_capacity_check")
	d.Exec(t, "update "+sections+" set capacity = 1000000")
	return d
}

// serving is a running `rollcall serve`.
type serving struct {
	served

	mu  sync.Mutex
	log []string
}

// startServe returns when it listens.
func startServe(t testing.TB, env ...string) *serving {
	t.Helper()
	s := &serving{served: served{t: t, rest: make(chan struct{})}}
	s.cmd = program(t, append([]string{
		"ROLLCALL_ADDR=127.0.0.1:0", "ROLLCALL_ENCRYPTION_KEY=" + testKey, "ROLLCALL_RATE_LIMIT_SCALE=1000",
	}, env...), "serve")
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	listening := make(chan string, 1)
	go func() {
		defer close(s.rest)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.note(lines.Text(), listening)
		}
	}()
	select {
	case s.url = <-listening:
	case <-s.rest:
		t.Fatalf("it ended:\n%s", strings.Join(s.log, "\n"))
	}
	return s
}

func (s *serving) note(text string, listening chan<- string) {
	var line struct{ Msg, URL string }
	_ = json.Unmarshal([]byte(text), &line)
	if line.Msg == "listening" {
		listening <- line.URL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, text)
}

func (s *serving) said(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(strings.Join(s.log, "\n"), text)
}

// status is what a path answers; 0 when nothing does.
func (s *serving) status(client *http.Client, path string) int {
	response, err := client.Get(s.url + path)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func (s *serving) awaitReady() {
	s.t.Helper()
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	require.Eventually(s.t, func() bool { return s.status(once, "/readyz") == http.StatusOK }, time.Minute, 20*time.Millisecond)
}

// end sends SIGTERM and waits for the end.
func (s *serving) end() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.rest
	require.NoError(s.t, s.cmd.Wait(), "SIGTERM ends it with exit code 0")
}

func TestServe_waitsForTheDatabaseAndBecomesReadyByItself(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	network := toxictest.New(t, d.URL)
	network.Add(t, toxictest.Down)
	s := startServe(t, "DATABASE_URL="+network.URL, "ROLLCALL_DRAIN_DELAY=0s")
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	require.Eventually(t, func() bool { return s.said("waiting for the database") }, time.Minute, 10*time.Millisecond)
	assert.Equal(t, http.StatusOK, s.status(once, "/livez"))
	assert.Equal(t, http.StatusServiceUnavailable, s.status(once, "/readyz"))
	assert.Equal(t, http.StatusServiceUnavailable, s.status(once, "/v1/students"))
	assert.Contains(t, s.get("/readyz"), `"starting"`)
	network.Heal(t)
	s.awaitReady()
	assert.Contains(t, s.get("/readyz"), `{"status":"ready","dependencies":{"database":{"status":"up","breaker":"closed"}}}`)
	s.signIn()
	s.end()
}

func TestServe_doesNotWaitForADatabaseThatRefuses(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, "delete from control.goose_db_version where version_id > 1")
	for url, want := range map[string]string{
		d.URL: "rollcall migrate up",
		strings.Replace(d.URL, "postgres://postgres:", "postgres://nobody:", 1): "password authentication failed",
	} {
		out, code := run(t, "", []string{"DATABASE_URL=" + url, "ROLLCALL_ENCRYPTION_KEY=" + testKey, "ROLLCALL_ADDR=127.0.0.1:0", "ROLLCALL_DRAIN_DELAY=0s"}, "serve")
		assert.Equal(t, 1, code)
		assert.Contains(t, out, want)
	}
}

// traffic is clients who keep their connections and never pause, behind a balancer of load that asks /readyz.
type traffic struct {
	s       *serving
	token   string
	sent    atomic.Int64
	dropped atomic.Int64
	faults  sync.Map
	taken   atomic.Bool // out of the balancer's list
}

func (l *traffic) client(ctx context.Context, number int) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := 0; !l.taken.Load() && ctx.Err() == nil; n++ {
		request, err := http.NewRequest(http.MethodGet, l.s.url+"/v1/students?limit=2", nil)
		if n%3 == 0 {
			body := strings.Replace(newcomer, "KEPT-1", fmt.Sprintf("LOAD-%d-%d", number, n), 1)
			body = strings.Replace(body, `"aadharNumber":"123412341234",`, "", 1)
			request, err = http.NewRequest(http.MethodPost, l.s.url+"/v1/students", strings.NewReader(body))
			request.GetBody = nil // so that the client cannot send it again behind our back
		}
		if err != nil {
			l.drop(err)
			return
		}
		request.Header.Set("Authorization", "Bearer "+l.token)
		request.Header.Set("Content-Type", "application/json")
		l.sent.Add(1)
		response, err := client.Do(request)
		if err != nil {
			l.drop(err)
			continue
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode >= http.StatusInternalServerError {
			l.drop(fmt.Errorf("%d: %w", response.StatusCode, err))
		}
	}
}

func (l *traffic) drop(err error) {
	l.dropped.Add(1)
	l.faults.Store(err.Error(), true)
}

// balance asks /readyz, and is so slow to act that many requests still come.
func (l *traffic) balance() {
	defer l.taken.Store(true)
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for l.s.status(once, "/readyz") == http.StatusOK {
		time.Sleep(10 * time.Millisecond) // the interval of its checks
	}
	for late := l.sent.Load() + 50; l.sent.Load() < late; {
		time.Sleep(time.Millisecond)
	}
}

func TestServe_sigtermUnderLoadDropsNothing(t *testing.T) {
	t.Parallel()
	s := startServe(t, "DATABASE_URL="+newDemo(t).URL, "ROLLCALL_DRAIN_DELAY=6s")
	s.awaitReady()
	l := &traffic{s: s, token: s.signIn()}
	var all sync.WaitGroup
	all.Go(l.balance)
	for number := range 8 {
		all.Go(func() { l.client(t.Context(), number) })
	}
	require.Eventually(t, func() bool { return l.sent.Load() > int64(torture.Times(200, 2000)) }, time.Minute, time.Millisecond)
	s.end()
	all.Wait()
	torture.Reportf(t, "SIGTERM under load", "%d requests sent by 8 clients who keep their connections, %d dropped", l.sent.Load(), l.dropped.Load())
	l.faults.Range(func(fault, _ any) bool { t.Log(fault); return true })
	assert.Zero(t, l.dropped.Load())
	assert.True(t, l.taken.Load())
}

// kill ends it as a crash does.
func (s *serving) kill() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Kill())
	<-s.rest
	_ = s.cmd.Wait() // it was killed
}

// admissions are what writers have sent with keys, over all lives of the service.
type admissions struct {
	mu           sync.Mutex
	acknowledged []string
	unsettled    []string // sent, and the service died before it answered
	refused      []string // repeated with their key, and not answered as the first time
}

// send admits the student of this number, the number being the key; false: the service is gone.
func (a *admissions) send(s *serving, client *http.Client, token, number string, repeated bool) bool {
	body := strings.Replace(newcomer, "KEPT-1", number, 1)
	body = strings.Replace(body, `"aadharNumber":"123412341234",`, "", 1)
	request, err := http.NewRequest(http.MethodPost, s.url+"/v1/students", strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", number)
	response, err := client.Do(request)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.unsettled = append(a.unsettled, number)
		return false
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	switch {
	case response.StatusCode == http.StatusCreated:
		a.acknowledged = append(a.acknowledged, number)
	case response.Header.Get("Retry-After") != "": // PostgreSQL has not noticed yet that who sent it first is dead
		a.unsettled = append(a.unsettled, number)
	case repeated:
		a.refused = append(a.refused, fmt.Sprint(number, ": ", response.StatusCode))
	}
	return true
}

// settle repeats what had no answer, until it has one.
func (a *admissions) settle(s *serving, token string) {
	require.Eventually(s.t, func() bool {
		again := a.unsettled
		a.unsettled = nil
		for _, number := range again {
			a.send(s, http.DefaultClient, token, number, true)
		}
		return len(a.unsettled) == 0
	}, time.Minute, 10*time.Millisecond)
}

// write admits student after student until the service is gone.
func (a *admissions) write(s *serving, token, name string) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := 0; a.send(s, client, token, fmt.Sprintf("KILL-%s-%d", name, n), false); n++ {
	}
}

func TestServe_killedUnderWritersLosesNothing(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	var a admissions
	times := torture.Times(2, 20)
	for round := range times + 1 {
		s := startServe(t, "DATABASE_URL="+d.URL)
		s.awaitReady()
		token := s.signIn()
		a.settle(s, token)
		if round == times { // the last one only settles
			s.kill()
			break
		}
		var all sync.WaitGroup
		for w := range 8 {
			all.Go(func() { a.write(s, token, fmt.Sprintf("%d-%d", round, w)) })
		}
		time.Sleep(torture.For(500*time.Millisecond, time.Second))
		s.kill()
		all.Wait()
	}
	schema := db.SchemaName(seed.DemoTenant)
	require.Eventually(t, func() bool { // until PostgreSQL has noticed the last one's end
		return dbtest.Value[int](t, d, "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'rollcall' and state <> 'idle'") == 0
	}, time.Minute, 10*time.Millisecond)
	durable := dbtest.Values[string](t, d, "select admission_number from "+schema+".students where admission_number like 'KILL-%'")
	lost := 0
	for _, number := range a.acknowledged {
		if !slices.Contains(durable, number) {
			lost++
		}
	}
	partial := dbtest.Value[int](t, d, `select (select count(*) from `+schema+`.students s where not exists (select from `+schema+`.enrollments e where e.student_id = s.id))
		+ (select count(*) from `+schema+`.users u where u.first_name = 'New' and not exists (select from `+schema+`.students s where s.user_id = u.id))`)
	assert.NotEmpty(t, a.acknowledged)
	assert.Empty(t, a.unsettled)
	assert.Empty(t, a.refused, "a request that is repeated with its key happens once, and is answered as the first time")
	assert.ElementsMatch(t, a.acknowledged, durable, "once each")
	assert.Zero(t, lost)
	assert.Zero(t, partial)
	torture.Reportf(t, "kill -9 of the service", "%d times under 8 writers: %d acknowledged, those without an answer after a repetition; %d lost, %d doubled, %d in part",
		times, len(a.acknowledged), lost, len(durable)-len(a.acknowledged)+lost+len(a.refused), partial)
}
