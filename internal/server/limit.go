package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
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
	proven  *lru.Cache[[sha256.Size]byte, uuid.UUID] // the tenants of tokens that have authenticated, by digest
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
	proven, err := lru.New[[sha256.Size]byte, uuid.UUID](provenTokens)
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

// recognised is a credential, and what is known of it before it is looked up.
type recognised struct {
	auth.Credential

	digest [sha256.Size]byte
	tenant uuid.UUID // that it names, if it has authenticated here lately; uuid.Nil otherwise
}

func (l *limits) recognise(c auth.Credential) recognised {
	who := recognised{Credential: c}
	if c.Token != "" {
		who.digest = c.Digest()
		who.tenant, _ = l.proven.Peek(who.digest)
	}
	return who
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
func (l limited) authenticate(ctx context.Context, a authenticator, who recognised) (auth.Principal, error) {
	if err := l.refusedAddress(who); err != nil {
		return auth.Principal{}, err
	}
	principal, known := auth.Principal{}, false
	if mayPresume(l.op) {
		principal, known = a.Recall(who.Credential)
	}
	if !known {
		var err error
		if principal, err = l.identify(ctx, a, who); err != nil {
			return principal, err
		}
	}
	return principal, l.take(ctx, ofUser, principal.Tenant.String()+":"+principal.User.String())
}

// mayPresume says to which operations a principal may be let in from memory: not to those about sessions themselves.
func mayPresume(op *contract.Operation) bool { return op.Tag != "auth" }

// identify finds who asks in the database. Who is nobody costs the address.
func (l limited) identify(ctx context.Context, a authenticator, who recognised) (auth.Principal, error) {
	principal, err := a.Authenticate(ctx, who.Credential)
	if apperr.KindOf(err) == apperr.Unauthenticated {
		l.proven.Remove(who.digest)
		if refused := l.take(ctx, ofAddress, l.client.Network()); refused != nil {
			return auth.Principal{}, refused
		}
	}
	if err != nil {
		return auth.Principal{}, err
	}
	l.proven.Add(who.digest, principal.Tenant)
	return principal, nil
}

func (l limited) refusedAddress(who recognised) error {
	if who.tenant != uuid.Nil {
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
	l.header[rateLimitPolicyHeader] = []string{item(name, ";q=", d.Limit.Requests, ";w=", seconds(d.Limit.Per))}
	l.header[rateLimitHeader] = []string{item(name, ";r=", d.Remaining, ";t=", seconds(d.Reset))}
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

// item is a structured field's item (RFC 9651) with two parameters, which are numbers.
func item(name, one string, first int, two string, second int) string {
	text := strconv.AppendQuote(make([]byte, 0, 40), name)
	text = strconv.AppendInt(append(text, one...), int64(first), 10)
	return string(strconv.AppendInt(append(text, two...), int64(second), 10))
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
