package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// fate is what becomes of a commit.
type fate int

const (
	passes      fate = iota
	losesReply       // it happens, and nobody hears of it
	doesNotCome      // it does not happen
	wasTheLast       // losesReply, and from then on there is no connection any more
)

// commitProxy leads to PostgreSQL and decides about the commits of transactions that kept an answer for a key.
type commitProxy struct {
	target string
	decide func() fate
	over   atomic.Bool
	open   sync.WaitGroup
}

func startCommitProxy(t *testing.T, server string, decide func() fate) (throughURL string) {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &commitProxy{target: u.Host, decide: decide}
	t.Cleanup(func() {
		_ = listener.Close()
		p.open.Wait()
	})
	p.open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.open.Go(func() { p.serve(client) })
		}
	})
	u.Host = listener.Addr().String()
	return u.String()
}

// serve runs until either side ends or a commit does not pass.
func (p *commitProxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.target)
	if err != nil || p.over.Load() {
		return
	}
	var mute atomic.Bool
	var replies sync.WaitGroup
	replies.Go(func() {
		defer func() { _ = client.Close() }()
		copyPieces(server, func(reply []byte) bool {
			if mute.Load() {
				return false // PostgreSQL has answered to what nobody shall hear of
			}
			_, err := client.Write(reply)
			return err == nil
		})
	})
	defer replies.Wait()
	defer func() { _ = server.Close() }()
	var keeping keepWatch
	copyPieces(client, func(request []byte) bool {
		switch f := p.fateOf(request, &keeping); f {
		case doesNotCome:
			return false
		case losesReply, wasTheLast:
			mute.Store(true)
			_, _ = server.Write(request)
			replies.Wait()
			return false
		default:
			_, err := server.Write(request)
			return err == nil && !p.over.Load()
		}
	})
}

func (p *commitProxy) fateOf(request []byte, keeping *keepWatch) fate {
	keeping.see(request)
	if !keeping.kept || !bytes.Contains(request, []byte("commit\x00")) {
		return passes
	}
	keeping.kept = false
	f := p.decide()
	if f == wasTheLast {
		p.over.Store(true)
	}
	return f
}

// keepWatch sees on a connection that an answer is kept: by the name under which that statement was prepared.
type keepWatch struct {
	name []byte
	kept bool
}

var preparedKeep = regexp.MustCompile(`(rollcall_[0-9]+)\x00-- name: KeepAnswer`)

func (w *keepWatch) see(request []byte) {
	if match := preparedKeep.FindSubmatch(request); match != nil {
		w.name = append(bytes.Clone(match[1]), 0)
	}
	w.kept = w.kept || w.name != nil && bytes.Contains(request, w.name)
}

func copyPieces(from io.Reader, each func([]byte) bool) {
	buffer := make([]byte, 1<<20)
	for {
		n, err := from.Read(buffer)
		if err != nil || !each(buffer[:n]) {
			return
		}
	}
}

// admitUntilAnswered sends an admission with its key until there is an answer, as a client would.
func (h *harness) admitUntilAnswered(token, number string) (a answer, tries int) {
	for tries = 1; ; tries++ {
		a = h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: admission(number, nil)}.repeated("key of " + number))
		if a.Status != http.StatusServiceUnavailable && a.get("type") != "/problems/request-in-progress" {
			return a, tries
		}
	}
}

func TestRepeat_whenRepliesToCommitAreLostNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	const admissions, clients = 200, 8
	through := newRoomyHarness(t)
	token := through.token("registrar")
	through.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Token: token}) // its last use is noted
	// Of four commits in a row one loses its reply, one does not arrive.
	var commits, lostReplies, lostCommits atomic.Int64
	h := newHarnessOn(t, through.db, db.Config{MaxConns: clients, URL: startCommitProxy(t, through.db.URL, func() fate {
		switch commits.Add(1) % 4 {
		case 1:
			lostReplies.Add(1)
			return losesReply
		case 3:
			lostCommits.Add(1)
			return doesNotCome
		}
		return passes
	})})
	answers := make([]answer, admissions)
	var tries atomic.Int64
	next := make(chan int, admissions)
	for i := range admissions {
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := range next {
				var n int
				answers[i], n = h.admitUntilAnswered(token, fmt.Sprintf("C-%03d", i))
				tries.Add(int64(n))
			}
		})
	}
	all.Wait()
	lost, doubled, replayed := 0, 0, 0
	for i, a := range answers {
		assert.Equal(t, http.StatusCreated, a.Status, "%s", a.Raw)
		number := fmt.Sprintf("C-%03d", i)
		rows := dbtest.Values[string](t, h.db, "select id::text from "+h.schema()+".students where admission_number = $1", number)
		switch {
		case len(rows) == 0:
			lost++
		case len(rows) > 1:
			doubled++
		default:
			assert.Equal(t, rows[0], a.get("id"), "the answer is that of the row that is there")
		}
		if a.Header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
	}
	t.Logf("%d keyed admissions, %d commits, %d replies lost, %d commits lost: %d requests, %d of them answered with a repetition; lost %d, doubled %d",
		admissions, commits.Load(), lostReplies.Load(), lostCommits.Load(), tries.Load(), replayed, lost, doubled)
	assert.Zero(t, lost)
	assert.Zero(t, doubled)
	assert.Greater(t, lostReplies.Load(), int64(admissions/4))
	assert.EqualValues(t, admissions, h.count("students", "admission_number like 'C-%'"))
	assert.EqualValues(t, admissions, h.count("idempotency_keys", "true"))
}

// Connections that end in the middle of whatever they are doing: what was acknowledged is there, whole and once.
func TestRepeat_whenConnectionsAreKilledWhatWasAcknowledgedIsThereOnce(t *testing.T) {
	t.Parallel()
	const writers, admissions, kills = 8, 20, 20
	h := newHarnessOn(t, newRoomyHarness(t).db, db.Config{MaxConns: writers})
	token := h.token("registrar")
	var tries atomic.Int64
	var acknowledged sync.Map // ids by admission number
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range admissions {
				number := fmt.Sprintf("X-%d-%02d", w, i)
				a, n := h.admitUntilAnswered(token, number)
				tries.Add(int64(n))
				if assert.Equal(t, http.StatusCreated, a.Status, "%s", a.Raw) {
					acknowledged.Store(number, a.get("id"))
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { defer close(written); writing.Wait() }()
	killed := h.killWhoWorks(kills, written)
	<-written

	lost := 0
	acknowledged.Range(func(number, id any) bool {
		if h.count("students", "admission_number = $1 and id = $2", number, id) != 1 {
			lost++
		}
		return true
	})
	students, distinct := h.count("students", "admission_number like 'X-%'"), dbtest.Value[int64](t, h.db, "select count(distinct admission_number) from "+h.schema()+".students where admission_number like 'X-%'")
	whole := h.count("students s join "+h.schema()+".enrollments e on e.student_id = s.id and e.status = 'active'", "admission_number like 'X-%'")
	orphans := h.count("users", "first_name = 'Diya' and last_name = 'D''Souza' and id not in (select user_id from "+h.schema()+".students)")
	t.Logf("%d keyed admissions by %d writers, %d connections killed: %d requests, %d students; lost %d, doubled %d, partial %d",
		writers*admissions, writers, killed, tries.Load(), students, lost, students-distinct, students-whole+orphans)
	assert.EqualValues(t, writers*admissions, students)
	assert.Zero(t, lost)
	assert.Equal(t, students, distinct)
	assert.Equal(t, students, whole)
	assert.Zero(t, orphans)
	assert.Positive(t, killed)
}

// killWhoWorks ends connections of the service that are in the middle of something, so many at most, until done.
func (h *harness) killWhoWorks(most int64, done <-chan struct{}) (killed int64) {
	h.t.Helper()
	for killed < most {
		select {
		case <-done:
			return killed
		default:
		}
		killed += dbtest.Value[int64](h.t, h.db, `select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity
			where datname = current_database() and application_name = 'rollcall' and state <> 'idle' and pid <> pg_backend_pid() limit 2) busy`)
	}
	return killed
}

// When the database cannot be asked any more what became of a commit, the answer is that it is not known: not that
// nothing was written, and not that it was.
func TestRepeat_whatCannotBeFoundOutStaysUnknownAndIsSettledByTheNextRequest(t *testing.T) {
	t.Parallel()
	direct := newHarness(t)
	token := direct.token("registrar")
	direct.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Token: token})
	h := newHarnessOn(t, direct.db, db.Config{
		MaxConns: 2, Timeout: time.Second, URL: startCommitProxy(t, direct.db.URL, func() fate { return wasTheLast }),
	})
	c := call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: admission("U-1", nil)}.repeated("unknown")
	got := h.do(c)
	assert.Equal(t, http.StatusServiceUnavailable, got.Status)
	assert.Equal(t, "/problems/outcome-unknown", got.get("type"))
	assert.Contains(t, got.get("detail"), "Idempotency-Key")
	assert.NotEmpty(t, got.Header.Get("Retry-After"))
	again := direct.do(c)
	assert.Equal(t, http.StatusCreated, again.Status, "%s", again.Raw)
	assert.Equal(t, "true", again.Header.Get("Idempotency-Replayed"), "it had happened")
	assert.EqualValues(t, 1, direct.count("students", "admission_number = 'U-1'"))
}
