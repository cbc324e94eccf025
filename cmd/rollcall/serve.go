package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/jobs"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/resilience"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/tracing"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API",
		Long: `Serve the API on ROLLCALL_ADDR (default 127.0.0.1:8080; port 0 takes a free one and prints it).

DATABASE_URL and ROLLCALL_ENCRYPTION_KEY must be set, and the database migrated (rollcall migrate up). While the database
does not answer it waits: /livez is fine then and /readyz is not. SIGTERM first ends readiness, then, after
ROLLCALL_DRAIN_DELAY, listening; requests in flight are finished. All variables: docs/operate/configuration.md.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Read(os.LookupEnv)
			if err != nil {
				return err
			}
			if err := c.RequireDatabase(); err != nil {
				return err
			}
			document, err := contract.Load()
			if err != nil {
				return err
			}
			collectLater()
			return serve(cmd.Context(), c, document, newLog(document, false), nil, func(net.Addr) {})
		},
	}
}

// garbage is how much of it may come together before it is collected, as a percentage of what is in use (GOGC). In use are some
// 10 MiB, so Go's own 100 would have a busy service collect dozens of times a second; much more than this would take it beyond 60 MiB.
const garbage = 140

// collectLater has the program collect garbage less often, unless the operator says how often.
func collectLater() {
	if _, said := os.LookupEnv("GOGC"); !said {
		debug.SetGCPercent(garbage)
	}
}

// serve runs the service until ctx ends. demo are sign-ins that its docs show; ready is called when requests are served.
func serve(ctx context.Context, c config.Config, document *contract.Contract, log *slog.Logger, demo []server.DemoSignIn, ready func(net.Addr)) error {
	if err := c.RequireKey(); err != nil {
		return err
	}
	box, err := c.Box()
	if err != nil {
		return err
	}
	targets := webhook.NewTargets(c.WebhookAllow)
	defer targets.Close()
	s := &service{config: c, document: document, demo: demo, box: box, targets: targets, log: log, metrics: server.NewMetrics(), lifecycle: server.NewLifecycle()}
	defer s.close()
	if err := s.startTracing(ctx); err != nil {
		return err
	}
	handler, err := s.handler(ctx)
	if err != nil {
		return err
	}
	if err := s.serveMetrics(ctx); err != nil {
		return err
	}
	addr, err := s.listen(ctx, "ROLLCALL_ADDR", c.Addr, handler)
	if err != nil {
		return err
	}
	log.Info("listening", "url", "http://"+addr.String())
	s.parts = append(s.parts, func(ctx context.Context) error {
		if err := s.awaitDatabase(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		s.lifecycle.Serve()
		log.Info("serving", "url", "http://"+addr.String())
		ready(addr)
		return s.runJobs(ctx)
	})
	return s.run(ctx)
}

// service is what runs side by side in one process.
type service struct {
	config    config.Config
	document  *contract.Contract
	demo      []server.DemoSignIn
	box       *seal.Box
	targets   *webhook.Targets
	log       *slog.Logger
	metrics   *prometheus.Registry
	lifecycle *server.Lifecycle
	tracing   *tracing.Tracing
	database  *db.DB                        // for requests
	parts     []func(context.Context) error // each ends soon after its context
	closes    []func()
}

// lastTraces bounds exporting them at the end.
const lastTraces = 5 * time.Second

// startTracing exports traces if the environment says where to.
func (s *service) startTracing(ctx context.Context) (err error) {
	if s.tracing, err = tracing.Start(ctx, os.LookupEnv); err != nil {
		return err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { s.log.Warn("traces could not be exported", "error", err) }))
	s.closes = append(s.closes, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTraces)
		defer cancel()
		if err := s.tracing.Close(ctx); err != nil {
			s.log.Warn("traces are lost", "error", err)
		}
	})
	return nil
}

// handler puts together what answers requests.
func (s *service) handler(ctx context.Context) (http.Handler, error) {
	tries, err := resilience.NewMetrics(s.metrics)
	if err != nil {
		return nil, err
	}
	database, err := s.openDatabase(ctx, tries)
	if err != nil {
		return nil, err
	}
	limiter, err := ratelimit.New(ratelimit.Config{
		Scale: s.config.RateLimitScale, RedisURL: s.config.RedisURL.Reveal(), Log: s.log, Metrics: s.metrics, Resilience: tries,
	})
	if err != nil {
		return nil, err
	}
	s.closes = append(s.closes, func() { _ = limiter.Close() })
	memory, err := auth.NewMemory(s.metrics)
	if err != nil {
		return nil, err
	}
	s.parts = append(s.parts, func(ctx context.Context) error { return memory.Run(ctx, s.config.DirectURL.Reveal(), s.log) })
	return server.New(server.Dependencies{
		DB: database, Contract: s.document, Box: s.box, Log: s.log, Limiter: limiter, TrustedProxies: s.config.TrustedProxies,
		Memory: memory, Sessions: auth.Limits{Idle: s.config.SessionIdle, Lifetime: s.config.SessionLifetime},
		Concurrency:    server.Concurrency{Requests: s.config.MaxRequests, Tenant: s.config.TenantRequests},
		WebhookTargets: s.targets, Lifecycle: s.lifecycle, Metrics: s.metrics, MetricsElsewhere: s.config.MetricsAddr != "",
		ValidateResponses: s.config.ValidateResponses, Tracer: s.tracing.Tracer(), Demo: s.demo,
	})
}

// openDatabase makes the pools for requests.
func (s *service) openDatabase(ctx context.Context, tries *resilience.Metrics) (*db.DB, error) {
	metrics, err := db.NewMetrics(s.metrics, tries)
	if err != nil {
		return nil, err
	}
	database, err := db.Open(ctx, db.Config{
		URL: s.config.DatabaseURL.Reveal(), ReplicaURL: s.config.ReplicaURL.Reveal(), Pooler: db.Pooler(s.config.Pooler),
		MaxConns: s.config.MaxConns, MaxTenants: s.config.MaxTenants, Timeout: s.config.DatabaseTimeout, LockTimeout: s.config.LockTimeout, Metrics: metrics, Log: s.log,
		Tracer: s.tracing.Tracer(),
	})
	if err != nil {
		return nil, err
	}
	s.database = database
	s.closes = append(s.closes, database.Close)
	s.metrics.MustRegister(database.Collector("requests"), tenant.NewCollector(database))
	if replica := database.ReplicaCollector("replica"); replica != nil {
		s.metrics.MustRegister(replica)
	}
	return database, nil
}

// awaitDatabase returns when the database answers, is up to date and is sealed with our key. It waits for one that does not answer,
// and fails for one that refuses or must be migrated first.
func (s *service) awaitDatabase(ctx context.Context) error {
	migrator, registry := tenant.NewMigrator(s.config.DirectURL.Reveal()), tenant.NewRegistry(s.database, s.config.DirectURL.Reveal())
	policy := resilience.Startup
	policy.Retry = func(err error, attempt uint) string {
		if !db.IsUnreachable(err) {
			return ""
		}
		s.log.WarnContext(ctx, "waiting for the database", "attempt", attempt, "error", err)
		return resilience.ReasonConnection
	}
	err := policy.Do(ctx, func(ctx context.Context, _ uint) error {
		if err := migrator.Check(ctx); err != nil {
			return err
		}
		return registry.CheckKey(ctx, s.box)
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // stopped before it began
	}
	return err
}

// listen binds an address for a handler.
func (s *service) listen(ctx context.Context, variable, addr string, handler http.Handler) (net.Addr, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use by another program; stop that, or set %s to another address (port 0 takes a free one): %w", variable, addr, variable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", variable, err)
	}
	s.closes = append(s.closes, func() { _ = listener.Close() })
	s.parts = append(s.parts, func(ctx context.Context) error {
		return server.Serve(ctx, listener, handler, s.log, server.Shutdown{
			Lifecycle: s.lifecycle, Delay: s.config.DrainDelay, Grace: s.config.ShutdownTimeout,
		})
	})
	return listener.Addr(), nil
}

// serveMetrics binds the listener of the metrics, if they have one of their own.
func (s *service) serveMetrics(ctx context.Context) error {
	if s.config.MetricsAddr == "" {
		return nil
	}
	addr, err := s.listen(ctx, "ROLLCALL_METRICS_ADDR", s.config.MetricsAddr, server.OperatorHandler(s.metrics, s.log))
	if err == nil {
		s.log.Info("serving metrics", "url", "http://"+addr.String()+"/metrics")
	}
	return err
}

// runJobs runs the periodic tasks until ctx ends, on a pool of their own.
func (s *service) runJobs(ctx context.Context) error {
	if !s.config.Jobs || ctx.Err() != nil {
		return nil
	}
	tracer := s.tracing.Tracer()
	pool, err := db.Open(ctx, db.Config{
		URL: s.config.DirectURL.Reveal(), MaxConns: jobs.MinConns, MaxTenants: s.config.MaxTenants, Tracer: tracing.Within(tracer),
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	s.metrics.MustRegister(pool.Collector("jobs"))
	webhooks, err := webhookTask(pool, s.box, s.targets, s.log, s.metrics)
	if err != nil {
		return err
	}
	runner, err := jobs.New(jobs.Config{
		DB: pool, Tasks: append(jobs.Tasks(pool, s.log), webhooks), Log: s.log, Metrics: s.metrics, Grace: s.config.ShutdownTimeout, Tracer: tracer,
	})
	if err != nil {
		return err
	}
	return runner.Run(ctx)
}

// webhookTask delivers to webhooks.
func webhookTask(d *db.DB, box *seal.Box, targets *webhook.Targets, log *slog.Logger, metrics prometheus.Registerer) (jobs.Task, error) {
	deliverer, err := webhook.NewDeliverer(d, box, targets, log, metrics)
	if err != nil {
		return jobs.Task{}, err
	}
	return jobs.Task{Name: "webhooks", Due: deliverer.Due, Run: deliverer.Run}, nil
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
