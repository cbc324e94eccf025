package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/prometheus/client_golang/prometheus"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Memory remembers who is signed in, so that a request need not wait for the database before it may begin. What it says is only
// presumed: the first transaction of the request asks the database, in the same exchange and before anything else, whether it
// still holds (db.Guard), and if not the request begins anew without it. So a session that ends, on whatever instance, has
// ended for every request that reads or writes anything.
//
// A request that is answered without a transaction, because it is not what the document says or comes too often, is answered on
// what is remembered. That is bounded twice: an entry is good for trust after the database has confirmed it, and it is dropped
// when the database tells of a change (schema/tenant/00018_session_memory.sql). While that cannot be heard nothing is
// remembered. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	hears   bool
	changes uint64 // that were heard of
	entries *simplelru.LRU[digest, *memory]
	owners  map[owner]map[digest]struct{} // of the entries

	results *prometheus.CounterVec
}

// digest names a credential without keeping it.
type digest [sha256.Size]byte

// Digest names the credential without keeping it.
func (c Credential) Digest() [sha256.Size]byte {
	return sha256.Sum256([]byte(string(c.Transport) + " " + c.Token))
}

type owner struct{ tenant, user uuid.UUID }

// memory is what is remembered of a session: who it is, without the token, and the state that this comes from.
type memory struct {
	principal Principal
	state     string
	confirmed time.Time
}

const (
	// trust is how long after the database has confirmed it an entry is good.
	trust = 2 * time.Second
	// mostMemories bounds the entries, of about one KiB each.
	mostMemories = 10_000
	// useNoted is how old the note of a session's last use may be before it is brought up to date (TouchSession).
	useNoted = time.Minute
	// changesChannel is where the database tells of changes.
	changesChannel = "rollcall_sessions"
)

// NewMemory makes an empty memory and registers what it counts.
func NewMemory(registry prometheus.Registerer) (*Memory, error) {
	m := &Memory{owners: map[owner]map[digest]struct{}{}, results: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_session_cache_total",
		Help: "Requests with a session: who asks was remembered (hit), was not (miss), or was but had changed (stale).",
	}, []string{"result"})}
	m.entries, _ = simplelru.NewLRU(mostMemories, m.disown) // fails only for a size below one
	for _, result := range []string{"hit", "miss", "stale"} {
		m.results.WithLabelValues(result)
	}
	if err := registry.Register(m.results); err != nil {
		return nil, fmt.Errorf("register the metrics of sessions: %w", err)
	}
	return m, nil
}

// Run keeps the memory true until ctx ends: it hears of changes on a connection of its own, which must not lead through a pooler.
func (m *Memory) Run(ctx context.Context, url string, log *slog.Logger) error {
	return db.Listener{
		URL: url, Channel: changesChannel, Log: log,
		Up: func() { m.hearing(true) }, Down: func() { m.hearing(false) }, Heard: m.heard,
	}.Run(ctx) //nolint:wrapcheck // says it all
}

// Hears reports whether changes are heard of, so that anything is remembered.
func (m *Memory) Hears() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hears
}

// hearing begins anew: something may have been missed.
func (m *Memory) hearing(hears bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hears = hears
	m.changes++
	m.entries.Purge()
}

// heard drops what a change is about: "<schema> <user>", or "<schema>" for all users.
func (m *Memory) heard(change string) {
	schema, user, one := strings.Cut(change, " ")
	tenant, errTenant := uuid.Parse(strings.TrimPrefix(schema, "t_"))
	var id uuid.UUID
	var errUser error
	if one {
		id, errUser = uuid.Parse(user)
	}
	if errors.Join(errTenant, errUser) != nil {
		m.hearing(true) // not understood: it may be about anybody
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	if one {
		m.forget(owner{tenant, id})
		return
	}
	for o := range m.owners {
		if o.tenant == tenant {
			m.forget(o)
		}
	}
}

func (m *Memory) forget(o owner) {
	for d := range m.owners[o] {
		m.entries.Remove(d)
	}
}

// disown is told of entries that are removed.
func (m *Memory) disown(d digest, e *memory) {
	o := owner{e.principal.Tenant, e.principal.User}
	if delete(m.owners[o], d); len(m.owners[o]) == 0 {
		delete(m.owners, o)
	}
}

// recall finds an entry that is good still.
func (m *Memory) recall(d digest) (Principal, string, bool) {
	if m == nil {
		return Principal{}, "", false
	}
	m.mu.Lock()
	e, found := m.entries.Get(d)
	found = found && time.Since(e.confirmed) < trust
	m.mu.Unlock()
	if !found {
		m.results.WithLabelValues("miss").Inc()
		return Principal{}, "", false
	}
	m.results.WithLabelValues("hit").Inc()
	return e.principal, e.state, true
}

// seen is a point in time to remember from: what changes after it is not what was read.
func (m *Memory) seen() uint64 {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes
}

// remember keeps what was read since, unless something has changed meanwhile.
func (m *Memory) remember(d digest, since uint64, p Principal, state string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.hears || m.changes != since {
		return
	}
	m.entries.Remove(d)
	p.token = Token{}
	o := owner{p.Tenant, p.User}
	if m.owners[o] == nil {
		m.owners[o] = map[digest]struct{}{}
	}
	m.owners[o][d] = struct{}{}
	m.entries.Add(d, &memory{principal: p, state: state, confirmed: time.Now()})
}

// confirm notes that the database said just now that an entry holds.
func (m *Memory) confirm(d digest, state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, found := m.entries.Peek(d); found && e.state == state {
		e.confirmed = time.Now()
	}
}

// drop removes an entry that does not hold.
func (m *Memory) drop(d digest) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries.Remove(d)
}

// forgetUser drops all of a user's sessions: they have just been changed here.
func (m *Memory) forgetUser(tenant, user uuid.UUID) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	m.forget(owner{tenant, user})
}

// presumption is what a principal who is only remembered is held to.
type presumption struct {
	memory *Memory
	digest digest
	state  string
	idle   time.Duration
}

// Recall finds the principal of a credential in the memory, without asking the database. Presumed says so of the principal.
func (h *Handler) Recall(c Credential) (Principal, bool) {
	d := c.Digest()
	p, state, found := h.Memory.recall(d)
	if !found {
		return p, false
	}
	token, err := ParseToken(c.Token)
	p.token, p.presumed = token, &presumption{memory: h.Memory, digest: d, state: state, idle: h.Limits.Idle}
	return p, err == nil
}

// Presumed reports whether the principal is remembered only: what is presumed to be permitted must be confirmed, and nothing is
// refused on it.
func (p Principal) Presumed() bool { return p.presumed != nil }

// Refuted drops what was remembered of the principal.
func (p Principal) Refuted() {
	p.presumed.memory.results.WithLabelValues("stale").Inc()
	p.presumed.memory.drop(p.presumed.digest)
}

// guard asks the database whether the presumption holds; nil for a principal who was read from there. A session whose use
// wants to be noted does not hold: then it is read, and that noted.
func (p Principal) guard() *db.Guard {
	if p.presumed == nil {
		return nil
	}
	s := p.presumed
	return &db.Guard{
		Tenant: p.Tenant,
		Check: func(ctx context.Context, q *db.Queries) error {
			return q.HoldSession(ctx, gendb.HoldSessionParams{
				TokenHash: p.token.Hash(), Transport: string(p.Transport), State: s.state, UsedWithinSeconds: min(useNoted, s.idle).Seconds(),
			})
		},
		Held: func() { s.memory.confirm(s.digest, s.state) },
	}
}
