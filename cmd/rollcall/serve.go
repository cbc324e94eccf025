package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API",
		Long: `Serve the API on ROLLCALL_ADDR (default 127.0.0.1:8080; port 0 takes a free one and prints it).

DATABASE_URL and ROLLCALL_ENCRYPTION_KEY must be set, and the database migrated (rollcall migrate up).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Read(os.LookupEnv)
			if err != nil {
				return err
			}
			if err := c.RequireDatabase(); err != nil {
				return err
			}
			if err := tenant.NewMigrator(c.DatabaseURL.Reveal()).Check(cmd.Context()); err != nil {
				return err
			}
			return serve(cmd.Context(), c, newLog(false), func(net.Addr) {})
		},
	}
}

// serve runs the service until ctx ends. ready is called when the address is bound.
func serve(ctx context.Context, c config.Config, log *slog.Logger, ready func(net.Addr)) error {
	if err := c.RequireKey(); err != nil {
		return err
	}
	box, err := c.Box()
	if err != nil {
		return err
	}
	document, err := contract.Load()
	if err != nil {
		return err
	}
	database, err := db.Open(ctx, db.Config{URL: c.DatabaseURL.Reveal()})
	if err != nil {
		return err
	}
	defer database.Close()
	limiter, err := ratelimit.New(ratelimit.Config{Scale: c.RateLimitScale, RedisURL: c.RedisURL.Reveal(), Log: log})
	if err != nil {
		return err
	}
	defer func() { _ = limiter.Close() }()
	handler, err := server.New(server.Dependencies{
		DB: database, Contract: document, Box: box, Log: log, Limiter: limiter, TrustedProxies: c.TrustedProxies,
		Sessions: auth.Limits{Idle: c.SessionIdle, Lifetime: c.SessionLifetime},
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen on ROLLCALL_ADDR: %w", err)
	}
	log.Info("serving", "address", "http://"+listener.Addr().String())
	ready(listener.Addr())
	return server.Serve(ctx, listener, handler, log, c.ShutdownTimeout)
}
