// Package config turns environment variables into one struct. It reads them through a function, so that a test passes a
// map, and a secret in it never prints.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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
	WebhookAllow    []*net.IPNet  // ROLLCALL_WEBHOOK_ALLOW: networks that webhooks may lead to besides what is public
	DrainDelay      time.Duration // ROLLCALL_DRAIN_DELAY: from the end of readiness to the end of listening; 0s to 5m
	ShutdownTimeout time.Duration // ROLLCALL_SHUTDOWN_TIMEOUT: for requests and tasks in flight after that; 1s to 10m
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

// Read reads the environment. An error names the variable and says what it wants.
func Read(lookup Lookup) (Config, error) {
	get := func(name, fallback string) string {
		if v, found := lookup(name); found && v != "" {
			return v
		}
		return fallback
	}
	c := Config{
		Addr:          get("ROLLCALL_ADDR", "127.0.0.1:8080"),
		MetricsAddr:   get("ROLLCALL_METRICS_ADDR", ""),
		DatabaseURL:   Secret(get("DATABASE_URL", "")),
		DataDir:       get("ROLLCALL_DATA_DIR", ".data"),
		EncryptionKey: Secret(get("ROLLCALL_ENCRYPTION_KEY", "")),
		RedisURL:      Secret(get("REDIS_URL", "")),
		DirectURL:     Secret(get("DATABASE_DIRECT_URL", get("DATABASE_URL", ""))),
		ReplicaURL:    Secret(get("DATABASE_REPLICA_URL", "")),
		Pooler:        get("DATABASE_POOLER", "auto"),
	}
	var err error
	if err = readBounds(&c, get); err != nil {
		return Config{}, err
	}
	if c.Jobs, err = onOff(get, "ROLLCALL_JOBS", "on"); err != nil {
		return Config{}, err
	}
	if c.SessionIdle, err = duration(get, "ROLLCALL_SESSION_IDLE", "1h", 5*time.Minute, 24*time.Hour); err != nil {
		return Config{}, err
	}
	if c.SessionLifetime, err = duration(get, "ROLLCALL_SESSION_LIFETIME", "12h", 15*time.Minute, 30*24*time.Hour); err != nil {
		return Config{}, err
	}
	if c.RateLimitScale, err = factor(get, "ROLLCALL_RATE_LIMIT_SCALE", "1", 0.1, 1e6); err != nil {
		return Config{}, err
	}
	if c.TrustedProxies, err = networks("ROLLCALL_TRUSTED_PROXIES", get("ROLLCALL_TRUSTED_PROXIES", "")); err != nil {
		return Config{}, err
	}
	if c.WebhookAllow, err = networks("ROLLCALL_WEBHOOK_ALLOW", get("ROLLCALL_WEBHOOK_ALLOW", "")); err != nil {
		return Config{}, err
	}
	if c.EncryptionKey != "" {
		if _, err := seal.ParseKey(c.EncryptionKey.Reveal()); err != nil {
			return Config{}, fmt.Errorf("ROLLCALL_ENCRYPTION_KEY: %w", err)
		}
	}
	return c, nil
}

// readBounds reads how much is done at once, and how long it may take.
func readBounds(c *Config, get func(name, fallback string) string) (err error) {
	if !slices.Contains([]string{"auto", "none", "pgbouncer"}, c.Pooler) {
		return errors.New("DATABASE_POOLER: want auto, none or pgbouncer")
	}
	conns, err := number(get, "ROLLCALL_DATABASE_CONNECTIONS", "20", 2, 1000)
	if err != nil {
		return err
	}
	c.MaxConns = int32(conns)
	if c.MaxRequests, err = number(get, "ROLLCALL_MAX_REQUESTS", "64", 4, 10_000); err != nil {
		return err
	}
	if c.TenantRequests, err = number(get, "ROLLCALL_MAX_TENANT_REQUESTS", strconv.Itoa(min(8, c.MaxRequests)), 1, c.MaxRequests); err != nil {
		return err
	}
	for _, span := range []struct {
		to             *time.Duration
		name, fallback string
		least, most    time.Duration
	}{
		{&c.DatabaseTimeout, "ROLLCALL_DATABASE_TIMEOUT", "5s", 500 * time.Millisecond, time.Minute},
		{&c.LockTimeout, "ROLLCALL_DATABASE_LOCK_TIMEOUT", "2s", 10 * time.Millisecond, 30 * time.Second},
		{&c.DrainDelay, "ROLLCALL_DRAIN_DELAY", "3s", 0, 5 * time.Minute},
		{&c.ShutdownTimeout, "ROLLCALL_SHUTDOWN_TIMEOUT", "20s", time.Second, 10 * time.Minute},
	} {
		if *span.to, err = duration(get, span.name, span.fallback, span.least, span.most); err != nil {
			return err
		}
	}
	return nil
}

// number reads a whole number within bounds.
func number(get func(name, fallback string) string, name, fallback string, least, most int) (int, error) {
	n, err := strconv.Atoi(get(name, fallback))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s: want a whole number from %d to %d, such as %s", name, least, most, fallback)
	}
	return n, nil
}

func onOff(get func(name, fallback string) string, name, fallback string) (bool, error) {
	switch get(name, fallback) {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, fmt.Errorf("%s: want on or off", name)
}

// duration reads a time span within bounds.
func duration(get func(name, fallback string) string, name, fallback string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(get(name, fallback))
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("%s: want a time span from %s to %s, such as %s", name, least, most, fallback)
	}
	return d, nil
}

// factor reads a number within bounds.
func factor(get func(name, fallback string) string, name, fallback string, least, most float64) (float64, error) {
	f, err := strconv.ParseFloat(get(name, fallback), 64)
	if err != nil || !(f >= least && f <= most) { // so written, NaN is outside too
		return 0, fmt.Errorf("%s: want a number from %g to %g, such as %s", name, least, most, fallback)
	}
	return f, nil
}

// networks reads a list of networks and single addresses. One that holds every address is refused: it would believe
// whatever anybody says, or reach whatever there is.
func networks(name, list string) ([]*net.IPNet, error) {
	var all []*net.IPNet
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil {
			prefix, err = address.WithZone("").Prefix(address.BitLen())
		}
		if err != nil || prefix.Bits() == 0 {
			return nil, fmt.Errorf("%s: want networks and addresses, such as 10.0.0.0/8, fd00::1", name)
		}
		all = append(all, &net.IPNet{IP: prefix.Masked().Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())})
	}
	return all, nil
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
