// Package resilience holds this project's policies for work that can fail for a moment: retry, on retry-go; circuit
// breakers, on gobreaker; and bulkheads, which bound what runs at once.
//
// How often, how long and how far apart is decided in this file, for every dependency there is. Which errors of the
// database may be tried again is the knowledge of internal/db, which has the SQLSTATEs; of the others it is here too.
package resilience

import (
	"math"
	"time"
)

// The policies for work that is tried again. The context's deadline is the budget of all tries together.
var (
	// Database is for transactions: short waits, since the client waits too. A try that has not come as far as its
	// first statement by AttemptTimeout is on a connection that is dead, and worth another; see internal/db.
	Database = Policy{Dependency: "database", Attempts: 5, AttemptTimeout: 3 * time.Second, BaseDelay: 10 * time.Millisecond, MaxDelay: 500 * time.Millisecond}
	// Redis is for what we can do without: one more try when a connection broke, none when an answer takes long.
	Redis = Policy{Dependency: "redis", Attempts: 2, BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond, Retry: connectionOnly}
	// Settling is for finding out what became of a commit whose reply was lost: PostgreSQL may need a moment to see that the
	// connection is gone.
	Settling = Policy{Dependency: "settling", Attempts: 12, BaseDelay: 50 * time.Millisecond, MaxDelay: time.Second}
	// Startup is for what the service cannot begin without: as long as it takes.
	Startup = Policy{Dependency: "startup", Attempts: math.MaxInt, AttemptTimeout: 5 * time.Second, BaseDelay: 250 * time.Millisecond, MaxDelay: 5 * time.Second}
	// External is for calls of other services over HTTP, where nobody waits. A call that may not be repeated must not
	// use it.
	External = Policy{Dependency: "external", Attempts: 3, AttemptTimeout: 10 * time.Second, BaseDelay: 200 * time.Millisecond, MaxDelay: 5 * time.Second, Retry: externalReason}
)

// The policies for what is left alone while it fails.
var (
	// DatabaseBreaker opens when nothing but failures to connect and timeouts comes back; requests are then refused at once.
	DatabaseBreaker = BreakerPolicy{Dependency: "database", Failures: 10, Rest: time.Second, Probes: 3}
	// ReplicaBreaker opens soon: the primary answers instead.
	ReplicaBreaker = BreakerPolicy{Dependency: "replica", Failures: 5, Rest: 2 * time.Second, Probes: 1}
	// RedisBreaker opens soon: the local count takes over.
	RedisBreaker = BreakerPolicy{Dependency: "redis", Failures: 3, Rest: 2 * time.Second, Probes: 1}
	// ExternalBreaker is for one endpoint of another service, which somebody else has to mend.
	ExternalBreaker = BreakerPolicy{Dependency: "external", Failures: 5, Rest: 30 * time.Second, Probes: 1}
)
