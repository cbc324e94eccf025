package db

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listener hears what is notified on a channel (NOTIFY), on a connection of its own, which must not lead through a pooler.
type Listener struct {
	URL     string
	Channel string
	Up      func()               // it hears from now on
	Down    func()               // it does not any more, and may have missed something
	Heard   func(payload string) // one after the other
	Log     *slog.Logger
}

// relisten is how long a listener waits before it connects again.
const relisten = time.Second

// Run listens until ctx ends, and connects again when the connection breaks.
func (l Listener) Run(ctx context.Context) error {
	for {
		err := l.listen(ctx)
		l.Down()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that is how it ends
		}
		l.Log.WarnContext(ctx, "does not hear what other instances change; it asks the database each time instead", "channel", l.Channel, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(relisten):
		}
	}
}

func (l Listener) listen(ctx context.Context) error {
	config, err := pgx.ParseConfig(l.URL)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	config.ConnectTimeout = connectTimeout
	config.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	config.RuntimeParams["application_name"] = "rollcall-listen"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{l.Channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	l.Up()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("wait for a notification: %w", err)
		}
		l.Heard(n.Payload)
	}
}
