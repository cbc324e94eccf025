package torture_test

import (
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/torture"
	"github.com/rollcall-erp/rollcall/internal/toxictest"
)

// The two tests of speed compare what one run measures, with a database that is 20 ms away, so that it is its connections
// that are scarce. A short run only sees that they work: what else the machine does at that moment may weigh more than what
// is compared.

// farService is a service far from its database.
func farService(t *testing.T, conns int32, room server.Concurrency) *service {
	t.Helper()
	database := dbtest.NewFrom(t, "demo", seedDemo)
	network := toxictest.New(t, database.URL)
	network.Add(t, toxictest.Far)
	return newService(t, options{config: db.Config{URL: network.URL, MaxConns: conns}, direct: database.URL, room: room})
}

// goodput is how many reads a second succeed with so many clients, and what the others get.
func goodput(s *service, clients int) (perSecond float64, l *load, heap uint64) {
	l = s.start(0, clients)
	span := torture.For(time.Second, 4*time.Second)
	begin := time.Now()
	for time.Since(begin) < span {
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		heap = max(heap, memory.HeapInuse)
		time.Sleep(100 * time.Millisecond)
	}
	l.stop()
	return float64(l.statuses[http.StatusOK]) / time.Since(begin).Seconds(), l, heap
}

func TestOverload_theWorkThatIsDoneIsDoneInTime(t *testing.T) { //nolint:paralleltest // it measures
	room := server.Concurrency{Requests: 8, Tenant: 8} // as many as there are connections
	s := farService(t, 8, room)
	s.recovery(s.read, 20*time.Second) // the first request, on a machine that may be busy
	var ratios []float64
	var shed int
	var most uint64
	for range torture.Times(1, 7) { // in turn, since the machine is not equally fast all the time
		peak, _, _ := goodput(s, room.Requests)
		over, l, heap := goodput(s, 5*room.Requests)
		l.assertClean()
		ratios, shed, most = append(ratios, over/peak), shed+l.statuses[http.StatusServiceUnavailable], max(most, heap)
	}
	s.assertIdle()
	assert.Less(t, most, uint64(512<<20))
	slices.Sort(ratios)
	ratio := ratios[len(ratios)/2]
	if torture.Long() {
		assert.GreaterOrEqual(t, ratio, 0.8)
	}
	torture.Reportf(t, "overload: five times the clients that it has room for", "%.0f %% of the reads that succeed with one fifth of the clients; %d shed; heap at most %d MB",
		100*ratio, shed, most>>20)
}

// paced is clients who ask, think, and ask again; it returns how long answers took.
func (s *service) paced(token string, clients int, span, think time.Duration) []time.Duration {
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	end := time.Now().Add(span)
	for range clients {
		all.Go(func() {
			for time.Now().Before(end) {
				begin := time.Now()
				status := s.request(http.MethodGet, "/v1/students?limit=5", token, "")
				elapsed := time.Since(begin)
				mu.Lock()
				took = append(took, elapsed)
				mu.Unlock()
				assert.Equal(s.t, http.StatusOK, status)
				time.Sleep(think)
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

func p99(took []time.Duration) time.Duration {
	return took[len(took)*99/100].Round(10 * time.Microsecond)
}

func TestOverload_aNoisyTenantDoesNotSlowTheOthers(t *testing.T) { //nolint:paralleltest // it measures
	s := farService(t, 12, server.Concurrency{Requests: 64, Tenant: 4})
	quiet := newToken(t, s.direct, seed.Demo2Tenant)
	const clients, think = 2, 20 * time.Millisecond
	span := torture.For(500*time.Millisecond, 4*time.Second)
	s.paced(quiet, clients, span, think) // until everything is warm
	var before, during []time.Duration
	for range torture.Times(1, 7) { // in turn, since the machine is not equally fast all the time
		before = append(before, s.beside(clients, think, func() []time.Duration { return s.paced(quiet, clients, span, think) })...)
		during = append(during, s.beside(20*clients, think, func() []time.Duration { return s.paced(quiet, clients, span, think) })...)
	}
	slices.Sort(before)
	slices.Sort(during)
	ratio := float64(p99(during)) / float64(p99(before))
	if torture.Long() {
		assert.LessOrEqual(t, ratio, 2.0)
	}
	torture.Reportf(t, "a tenant asks twenty times as much", "another's p99 is %v, before %v: %.1f times", p99(during), p99(before), ratio)
}

// beside does something while so many clients of the noisy tenant read, each with a pause in between.
func (s *service) beside(noise int, pause time.Duration, work func() []time.Duration) []time.Duration {
	end := make(chan struct{})
	var all sync.WaitGroup
	for range noise {
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				case <-time.After(pause):
					s.read()
				}
			}
		})
	}
	defer all.Wait()
	defer close(end)
	return work()
}
