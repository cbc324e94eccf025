package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

const (
	// connectTimeout bounds making one connection, unless the URL says connect_timeout.
	connectTimeout = 3 * time.Second
	// fewStatements go through pgx's own caches of statements, whose memory is taken in advance; what transactions run does not (exchange.go).
	fewStatements = 16
	// pingTimeout bounds a sign of life: of a connection that was idle, and of the server.
	pingTimeout = time.Second
)

// keepAlive finds connections whose other end is gone without a word: after 25 s.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// node is one server: the primary or a replica. Each slot has one connection at most, which pgxpool makes when it is needed, tests
// when it was idle, and replaces when it is old or broken. Which slot is whose turn is ours to say.
type node struct {
	config      *pgxpool.Config
	connections []*pgxpool.Pool // by slot
	slots       *slots
	breaker     *resilience.Breaker
	described   *sync.Map // texts of statements -> *pgconn.StatementDescription without a name: the same on every connection
	mostTenants int
}

// openNode makes the slots of a server. It does not connect.
func openNode(ctx context.Context, url string, config Config, breaker *resilience.Breaker) (*node, error) {
	n := &node{slots: newSlots(int(config.MaxConns)), breaker: breaker, described: &sync.Map{}, mostTenants: config.MaxTenants}
	var err error
	if n.config, err = poolConfig(url, config); err != nil {
		return nil, err
	}
	forSlot := n.config.Copy()
	forSlot.ConnConfig.StatementCacheCapacity, forSlot.ConnConfig.DescriptionCacheCapacity = fewStatements, fewStatements
	for range config.MaxConns {
		slot, err := pgxpool.NewWithConfig(ctx, forSlot.Copy())
		if err != nil {
			n.close()
			return nil, fmt.Errorf("make the connection pool: %w", err)
		}
		n.connections = append(n.connections, slot)
	}
	return n, nil
}

func poolConfig(url string, config Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read DATABASE_URL (it should be like postgres://user:password@host:5432/database): %w", err)
	}
	pc.MaxConns, pc.MinConns, pc.MinIdleConns = 1, 0, 0
	pc.PingTimeout = pingTimeout
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	pc.ConnConfig.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	pc.ConnConfig.RuntimeParams["application_name"] = "rollcall"
	pc.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if config.Tracer != nil {
		pc.ConnConfig.Tracer = queryTracer{config.Tracer}
	}
	pc.BeforeConnect = (&detector{pooler: config.Pooler, log: config.Log}).beforeConnect
	pc.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		RegisterTypes(conn.TypeMap())
		return nil
	}
	return pc, nil
}

// connection is the connection of a slot, for one transaction.
type connection struct {
	*pgxpool.Conn

	node *node
	slot int
	line *line
}

// acquire takes a connection for a tenant. That all are in use says nothing of the server, so it does not count for the breaker.
func (n *node) acquire(ctx context.Context, tenant uuid.UUID) (*connection, error) {
	slot, err := n.slots.take(ctx, tenant)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, resilience.Uncounted(err)
	}
	if err != nil {
		return nil, err
	}
	conn, err := n.connections[slot].Acquire(ctx)
	if err != nil {
		n.slots.give(slot)
		return nil, err
	}
	return &connection{Conn: conn, node: n, slot: slot, line: lineOf(conn.Conn(), n.described)}, nil
}

// release gives the connection back. One that is not idle is closed by the pool, never handed on; so is one that has met too many
// tenants, since PostgreSQL forgets nothing of them as long as it is open. When what is prepared on one is stale, because tables were
// changed, it is so on all.
func (c *connection) release(ctx context.Context) {
	switch {
	case c.line.stale:
		c.node.reset()
	case len(c.line.tenants) > c.node.mostTenants:
		c.close(ctx)
	}
	c.Release()
	c.node.slots.give(c.slot)
}

// close says goodbye on a context of its own, because the caller's may be over.
func (c *connection) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = c.Conn.Conn().Close(ctx)
}

// reset closes all connections, those in use when they are given back.
func (n *node) reset() {
	for _, slot := range n.connections {
		slot.Reset()
	}
}

func (n *node) close() {
	var all sync.WaitGroup
	for _, slot := range n.connections {
		all.Go(slot.Close)
	}
	all.Wait()
}

// ping asks for a sign of life on any connection.
func (n *node) ping(ctx context.Context) error {
	conn, err := n.acquire(ctx, uuid.Nil)
	if err != nil {
		return err
	}
	defer conn.release(ctx)
	return conn.Ping(ctx) //nolint:wrapcheck // the caller knows what for
}

// health asks the server for a sign of life, past the breaker. When all connections are in use, an answer that one of
// them has had meanwhile is as good: a busy service is not an unready one.
func (n *node) health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	begin := time.Now()
	err := n.ping(ctx)
	return Health{Up: err == nil || n.breaker.Answered().After(begin), Breaker: n.breaker.State()}
}
