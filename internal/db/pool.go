package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

const (
	// connectTimeout bounds making one connection, unless the URL says connect_timeout.
	connectTimeout = 3 * time.Second
	// pingTimeout bounds a sign of life: of a connection that was idle, and of the server.
	pingTimeout = time.Second
)

// keepAlive finds connections whose other end is gone without a word: after 25 s.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// node is one server: the primary or a replica.
type node struct {
	pool    *pgxpool.Pool
	breaker *resilience.Breaker
}

// openNode makes the pool of a server. It does not connect.
func openNode(ctx context.Context, url string, config Config, breaker *resilience.Breaker) (*node, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read DATABASE_URL (it should be like postgres://user:password@host:5432/database): %w", err)
	}
	pc.MaxConns = config.MaxConns
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
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("make the connection pool: %w", err)
	}
	return &node{pool: pool, breaker: breaker}, nil
}

// acquire takes a connection. That all are in use says nothing of the server, so it does not count for the breaker.
func (n *node) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := n.pool.Acquire(ctx)
	if err == nil {
		return conn, nil
	}
	if stat := n.pool.Stat(); errors.Is(err, context.DeadlineExceeded) && stat.AcquiredConns() >= stat.MaxConns() {
		err = resilience.Uncounted(err)
	}
	return nil, err
}

// health asks the server for a sign of life, past the breaker. When all connections are in use, an answer that one of
// them has had meanwhile is as good: a busy service is not an unready one.
func (n *node) health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	begin := time.Now()
	err := n.pool.Ping(ctx)
	return Health{Up: err == nil || n.breaker.Answered().After(begin), Breaker: n.breaker.State()}
}
