// Package config turns environment variables into one struct. It reads them through a function, so that a test passes a
// map, and a secret in it never prints.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/rollcall-erp/rollcall/internal/seal"
)

// Lookup is os.LookupEnv, or a map's reading in a test.
type Lookup func(name string) (value string, found bool)

// Config is all that an operator can set.
type Config struct {
	Addr            string        // ROLLCALL_ADDR
	MetricsAddr     string        // ROLLCALL_METRICS_ADDR: a listener of its own for /metrics; empty: on Addr
	Jobs            bool          // ROLLCALL_JOBS=on|off: whether this instance runs periodic tasks
	DatabaseURL     Secret        // DATABASE_URL; it holds a password
	DirectURL       Secret        // DATABASE_DIRECT_URL: past a pooler, for migrations and the queue; default DATABASE_URL
	ReplicaURL      Secret        // DATABASE_REPLICA_URL: a streaming replica for reads; empty: none
	Pooler          string        // DATABASE_POOLER=auto|none|pgbouncer: what stands before DATABASE_URL and the replica
	MaxConns        int32         // ROLLCALL_DATABASE_CONNECTIONS: for requests, to each server; 2 to 1000
	MaxTenants      int           // ROLLCALL_DATABASE_TENANTS: that a connection may meet before it is replaced; 1 to 100000
	DatabaseTimeout time.Duration // ROLLCALL_DATABASE_TIMEOUT: a transaction with all its tries; 500ms to 60s
	LockTimeout     time.Duration // ROLLCALL_DATABASE_LOCK_TIMEOUT: waiting for one lock; 10ms to 30s
	MaxRequests     int           // ROLLCALL_MAX_REQUESTS: worked on at once; 4 to 10000
	TenantRequests  int           // ROLLCALL_MAX_TENANT_REQUESTS: of one tenant; 1 to MaxRequests
	DataDir         string        // ROLLCALL_DATA_DIR, used by `rollcall dev` only
	EncryptionKey   Secret        // ROLLCALL_ENCRYPTION_KEY, base64 of 32 bytes
	SessionIdle     time.Duration // ROLLCALL_SESSION_IDLE: unused so long, a session ends; 5m to 24h
	SessionLifetime time.Duration // ROLLCALL_SESSION_LIFETIME: it ends so long after sign-in in any case; 15m to 720h
	RedisURL        Secret        // REDIS_URL: where instances share what they count; empty: each counts for itself
	RateLimitScale  float64       // ROLLCALL_RATE_LIMIT_SCALE: multiplies every rate limit; 0.1 to 1000000
	TrustedProxies  []*net.IPNet  // ROLLCALL_TRUSTED_PROXIES: whose X-Forwarded-For is believed
	// ROLLCALL_VALIDATE_RESPONSES=1: an answer that is not what openapi.yaml says becomes a 500, and the log says why
	ValidateResponses bool
	WebhookAllow      []*net.IPNet  // ROLLCALL_WEBHOOK_ALLOW: networks that webhooks may lead to besides what is public
	DrainDelay        time.Duration // ROLLCALL_DRAIN_DELAY: from the end of readiness to the end of listening; 0s to 5m
	ShutdownTimeout   time.Duration // ROLLCALL_SHUTDOWN_TIMEOUT: for requests and tasks in flight after that; 1s to 10m
}

// Secret is a text that shows as [secret] in logs and formatted output.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the value from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }

// Read reads the environment. An error names every variable that is wrong, and says what it wants.
func Read(lookup Lookup) (Config, error) {
	r := &reader{lookup: lookup}
	c := r.config()
	if err := errors.Join(r.faults...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Describe is every variable there is, in the order of the page for operators, with what is in effect. Faults are Read's to tell.
func Describe(lookup Lookup) []Setting {
	r := &reader{lookup: lookup}
	r.config()
	return r.settings
}

// config reads all variables. A default may depend on what was read before.
func (r *reader) config() (c Config) {
	c.Addr = r.text("ROLLCALL_ADDR", "127.0.0.1:8080")
	c.MetricsAddr = r.text("ROLLCALL_METRICS_ADDR", "")
	c.DataDir = r.text("ROLLCALL_DATA_DIR", ".data")
	c.EncryptionKey = r.key("ROLLCALL_ENCRYPTION_KEY")
	c.Jobs = r.choice("ROLLCALL_JOBS", "on", "on", "off") == "on"
	c.DatabaseURL = r.address("DATABASE_URL", "")
	c.DirectURL = r.address("DATABASE_DIRECT_URL", c.DatabaseURL)
	c.Pooler = r.choice("DATABASE_POOLER", "auto", "auto", "none", "pgbouncer")
	c.ReplicaURL = r.address("DATABASE_REPLICA_URL", "")
	c.MaxConns = int32(r.number("ROLLCALL_DATABASE_CONNECTIONS", 20, 2, 1000))
	c.MaxTenants = r.number("ROLLCALL_DATABASE_TENANTS", 100, 1, 100_000)
	c.DatabaseTimeout = r.duration("ROLLCALL_DATABASE_TIMEOUT", "5s", 500*time.Millisecond, time.Minute)
	c.LockTimeout = r.duration("ROLLCALL_DATABASE_LOCK_TIMEOUT", "2s", 10*time.Millisecond, 30*time.Second)
	c.MaxRequests = r.number("ROLLCALL_MAX_REQUESTS", 64, 4, 10_000)
	c.TenantRequests = r.number("ROLLCALL_MAX_TENANT_REQUESTS", min(8, c.MaxRequests), 1, c.MaxRequests)
	c.DrainDelay = r.duration("ROLLCALL_DRAIN_DELAY", "3s", 0, 5*time.Minute)
	c.ShutdownTimeout = r.duration("ROLLCALL_SHUTDOWN_TIMEOUT", "20s", time.Second, 10*time.Minute)
	c.RedisURL = r.address("REDIS_URL", "")
	c.RateLimitScale = r.factor("ROLLCALL_RATE_LIMIT_SCALE", "1", 0.1, 1e6)
	c.WebhookAllow = r.networks("ROLLCALL_WEBHOOK_ALLOW")
	c.TrustedProxies = r.networks("ROLLCALL_TRUSTED_PROXIES")
	c.SessionIdle = r.duration("ROLLCALL_SESSION_IDLE", "1h", 5*time.Minute, 24*time.Hour)
	c.SessionLifetime = r.duration("ROLLCALL_SESSION_LIFETIME", "12h", 15*time.Minute, 30*24*time.Hour)
	c.ValidateResponses = r.yes("ROLLCALL_VALIDATE_RESPONSES")
	return c
}

// RequireDatabase says what to do when there is no database.
func (c Config) RequireDatabase() error {
	if c.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set; `rollcall dev` (make run) brings a database of its own")
	}
	return nil
}

// RequireKey says what to do when there is no key.
func (c Config) RequireKey() error {
	if c.EncryptionKey == "" {
		return errors.New("ROLLCALL_ENCRYPTION_KEY is not set; make one with: openssl rand -base64 32 (and keep it: without it sealed values are lost)")
	}
	return nil
}

// Box makes the box of the configured key.
func (c Config) Box() (*seal.Box, error) {
	key, err := seal.ParseKey(c.EncryptionKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("ROLLCALL_ENCRYPTION_KEY: %w", err)
	}
	return seal.New(key)
}
