package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
)

// limits say whose bucket a request is taken from. One that authenticates spends its user's, wherever it comes from: a
// school behind one address is many users. One that does not, and one that needs no sign-in, spends its address's, so
// that a bad token costs nobody else anything. An address whose bucket is empty is refused before the database is asked;
// only tokens that have authenticated here lately are exempt, so that neighbours cannot lock each other out.
type limits struct {
	limiter *ratelimit.Limiter
	proven  *lru.Cache[[sha256.Size]byte, struct{}] // digests of tokens that have authenticated
	counted *prometheus.CounterVec
}

// As net/http spells them; the draft writes RateLimit, but names of headers have no case.
const (
	rateLimitPolicyHeader = "Ratelimit-Policy"
	rateLimitHeader       = "Ratelimit"
)

// provenTokens bounds the tokens that are remembered, about 100 bytes each.
const provenTokens = 1 << 15

func newLimits(limiter *ratelimit.Limiter, c *contract.Contract, registry prometheus.Registerer) (*limits, error) {
	if limiter == nil {
		return nil, errors.New("there is no rate limiter")
	}
	for id, op := range c.Operations {
		if op.RateTier.Requests <= 0 || op.RateTier.Per <= 0 {
			return nil, fmt.Errorf("operation %s has no rate limit", id)
		}
	}
	proven, err := lru.New[[sha256.Size]byte, struct{}](provenTokens)
	if err != nil {
		return nil, fmt.Errorf("remember tokens: %w", err)
	}
	counted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_ratelimit_requests_total", Help: "Requests that were counted against a rate limit, by its tier, whose it was (user or address) and outcome.",
	}, []string{"tier", "of", "outcome"})
	if err := registry.Register(counted); err != nil {
		return nil, fmt.Errorf("register the metrics of rate limits: %w", err)
	}
	for _, op := range c.Operations { // from zero on, so that the first one is seen to be one more
		counted.WithLabelValues(op.RateTier.Name, ofAddress, outcomeRefused)
		if !op.Public {
			counted.WithLabelValues(op.RateTier.Name, ofUser, outcomeRefused)
		}
	}
	return &limits{limiter: limiter, proven: proven, counted: counted}, nil
}

// provenTenant is the tenant that a credential names, if it has authenticated here lately; uuid.Nil otherwise.
func (l *limits) provenTenant(c auth.Credential) uuid.UUID {
	if c.Token == "" || !l.proven.Contains(c.Digest()) {
		return uuid.Nil
	}
	token, err := auth.ParseToken(c.Token)
	if err != nil {
		return uuid.Nil
	}
	return token.Tenant
}

// limited is one request on its way through the limits.
type limited struct {
	*limits

	op     *contract.Operation
	header http.Header // of the response
	client auth.Client
}

// Whose bucket a request is taken from, and whether it held one more.
const (
	ofUser    = "user"
	ofAddress = "address"

	outcomeAllowed = "allowed"
	outcomeRefused = "refused"
)

// public counts a request to an operation that needs no sign-in.
func (l limited) public(ctx context.Context) error { return l.take(ctx, ofAddress, l.client.Network()) }

// authenticate finds who asks, from memory if that may be, and counts the request.
func (l limited) authenticate(ctx context.Context, a authenticator, c auth.Credential) (auth.Principal, error) {
	if err := l.refusedAddress(c.Digest()); err != nil {
		return auth.Principal{}, err
	}
	principal, known := auth.Principal{}, false
	if mayPresume(l.op) {
		principal, known = a.Recall(c)
	}
	if !known {
		var err error
		if principal, err = l.identify(ctx, a, c); err != nil {
			return principal, err
		}
	}
	return principal, l.take(ctx, ofUser, principal.Tenant.String()+":"+principal.User.String())
}

// mayPresume says to which operations a principal may be let in from memory: not to those about sessions themselves.
func mayPresume(op *contract.Operation) bool { return op.Tag != "auth" }

// identify finds who asks in the database. Who is nobody costs the address.
func (l limited) identify(ctx context.Context, a authenticator, c auth.Credential) (auth.Principal, error) {
	principal, err := a.Authenticate(ctx, c)
	if apperr.KindOf(err) == apperr.Unauthenticated {
		l.proven.Remove(c.Digest())
		if refused := l.take(ctx, ofAddress, l.client.Network()); refused != nil {
			return auth.Principal{}, refused
		}
	}
	if err != nil {
		return auth.Principal{}, err
	}
	l.proven.Add(c.Digest(), struct{}{})
	return principal, nil
}

func (l limited) refusedAddress(token [sha256.Size]byte) error {
	if l.proven.Contains(token) {
		return nil
	}
	decision, refused := l.limiter.Refused(l.key(ofAddress, l.client.Network()), l.limit())
	if !refused {
		return nil
	}
	return l.say(ofAddress, decision)
}

func (l limited) take(ctx context.Context, of, who string) error {
	return l.say(of, l.limiter.Take(ctx, l.key(of, who), l.limit()))
}

func (l limited) limit() ratelimit.Limit {
	return ratelimit.Limit{Requests: l.op.RateTier.Requests, Per: l.op.RateTier.Per}
}

func (l limited) key(of, who string) string { return l.op.RateTier.Name + ":" + of + ":" + who }

// say puts a decision into the response (draft-ietf-httpapi-ratelimit-headers-10), and is an error when it is no.
func (l limited) say(of string, d ratelimit.Decision) error {
	name := l.op.RateTier.Name
	l.header.Set(rateLimitPolicyHeader, fmt.Sprintf("%q;q=%d;w=%d", name, d.Limit.Requests, seconds(d.Limit.Per)))
	l.header.Set(rateLimitHeader, fmt.Sprintf("%q;r=%d;t=%d", name, d.Remaining, seconds(d.Reset)))
	if d.Allowed {
		l.counted.WithLabelValues(name, of, outcomeAllowed).Inc()
		return nil
	}
	l.counted.WithLabelValues(name, of, outcomeRefused).Inc()
	wait := max(1, seconds(d.RetryAfter))
	e := apperr.New(apperr.TooManyRequests, fmt.Sprintf("Try again in %d s.", wait))
	e.RetryAfter = time.Duration(wait) * time.Second
	return e
}

// seconds rounds up, so that who waits so long has waited long enough.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// clientAddress finds the address of a client. X-Forwarded-For can be sent by anybody, so it is read from the right, where
// the nearest proxy has written, and only as far as the proxies are ours.
func clientAddress(proxies []*net.IPNet) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range proxies {
		trust = append(trust, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}
