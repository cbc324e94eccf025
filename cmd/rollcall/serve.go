package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/jobs"
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
			document, err := contract.Load()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, document, newLog(document, false), func(net.Addr) {})
		},
	}
}

// serve runs the service until ctx ends. ready is called when the address is bound.
func serve(ctx context.Context, c config.Config, document *contract.Contract, log *slog.Logger, ready func(net.Addr)) error {
	if err := c.RequireKey(); err != nil {
		return err
	}
	box, err := c.Box()
	if err != nil {
		return err
	}
	database, err := db.Open(ctx, db.Config{URL: c.DatabaseURL.Reveal()})
	if err != nil {
		return err
	}
	defer database.Close()
	metrics := server.NewMetrics()
	metrics.MustRegister(database.Collector("requests"))
	limiter, err := ratelimit.New(ratelimit.Config{Scale: c.RateLimitScale, RedisURL: c.RedisURL.Reveal(), Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	defer func() { _ = limiter.Close() }()
	handler, err := server.New(server.Dependencies{
		DB: database, Contract: document, Box: box, Log: log, Limiter: limiter, TrustedProxies: c.TrustedProxies,
		Sessions: auth.Limits{Idle: c.SessionIdle, Lifetime: c.SessionLifetime},
		Metrics:  metrics, MetricsElsewhere: c.MetricsAddr != "",
	})
	if err != nil {
		return err
	}
	s := service{config: c, log: log}
	defer s.close()
	if err := s.serveMetrics(ctx, metrics); err != nil {
		return err
	}
	if err := s.runJobs(ctx, metrics); err != nil {
		return err
	}
	addr, err := s.listen(ctx, "ROLLCALL_ADDR", c.Addr, handler)
	if err != nil {
		return err
	}
	log.Info("serving", "url", "http://"+addr.String())
	ready(addr)
	return s.run(ctx)
}

// service is what runs side by side in one process.
type service struct {
	config config.Config
	log    *slog.Logger
	parts  []func(context.Context) error // each ends soon after its context
	closes []func()
}

// listen binds an address for a handler.
func (s *service) listen(ctx context.Context, variable, addr string, handler http.Handler) (net.Addr, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", variable, err)
	}
	s.closes = append(s.closes, func() { _ = listener.Close() })
	s.parts = append(s.parts, func(ctx context.Context) error {
		return server.Serve(ctx, listener, handler, s.log, s.config.ShutdownTimeout)
	})
	return listener.Addr(), nil
}

// serveMetrics binds the listener of the metrics, if they have one of their own.
func (s *service) serveMetrics(ctx context.Context, metrics *prometheus.Registry) error {
	if s.config.MetricsAddr == "" {
		return nil
	}
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", server.MetricsHandler(metrics, s.log))
	addr, err := s.listen(ctx, "ROLLCALL_METRICS_ADDR", s.config.MetricsAddr, routes)
	if err == nil {
		s.log.Info("serving metrics", "url", "http://"+addr.String()+"/metrics")
	}
	return err
}

// runJobs prepares the periodic tasks, on a pool of their own.
func (s *service) runJobs(ctx context.Context, metrics *prometheus.Registry) error {
	if !s.config.Jobs {
		return nil
	}
	pool, err := db.Open(ctx, db.Config{URL: s.config.DatabaseURL.Reveal(), MaxConns: jobs.MinConns})
	if err != nil {
		return err
	}
	s.closes = append(s.closes, pool.Close)
	metrics.MustRegister(pool.Collector("jobs"))
	runner, err := jobs.New(jobs.Config{
		DB: pool, Tasks: jobs.Tasks(pool, s.log), Log: s.log, Metrics: metrics, Grace: s.config.ShutdownTimeout,
	})
	if err == nil {
		s.parts = append(s.parts, runner.Run)
	}
	return err
}

// run runs the parts until ctx ends or one of them fails, which ends the others.
func (s *service) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range s.parts {
		group.Go(func() error { return part(ctx) })
	}
	return group.Wait()
}

func (s *service) close() {
	for _, c := range slices.Backward(s.closes) {
		c()
	}
}
