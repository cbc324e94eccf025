package server_test

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/redistest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
)

func newLimiter(t *testing.T, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// behindProxy is a service that believes the X-Forwarded-For of whoever connects from this machine, and whose limits are
// the document's times scale.
func behindProxy(t *testing.T, scale float64) *harness {
	t.Helper()
	return newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4}, believingLocal, limitedBy(newLimiter(t, ratelimit.Config{Scale: scale})))
}

func believingLocal(d *server.Dependencies) {
	d.TrustedProxies = []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0), Mask: net.CIDRMask(8, 32)}}
}

func limitedBy(l *ratelimit.Limiter) func(*server.Dependencies) {
	return func(d *server.Dependencies) { d.Limiter = l }
}

// from is the session operation (tier read) from an address.
func (h *harness) from(address, token string) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Token: token, Header: map[string]string{"X-Forwarded-For": address}})
}

// untilLimited repeats a request until it gets a 429, and returns how often it did not.
func untilLimited(t *testing.T, request func() answer) (before int, last answer) {
	t.Helper()
	for before = range 100 {
		if last = request(); last.Status == http.StatusTooManyRequests {
			return before, last
		}
	}
	t.Fatal("100 requests, and no limit")
	return before, last
}

// The document's read tier is 600 a minute, which is 12 at this scale: one in five seconds after that.
const strict = 0.02

func TestLimit_everyAnswerSaysWhatIsLeftAndThe429WhenToComeBack(t *testing.T) {
	t.Parallel()
	h := behindProxy(t, strict)
	token := h.token("admin")
	for left := 11; left >= 9; left-- {
		got := h.from("203.0.113.1", token)
		assert.Equal(t, http.StatusOK, got.Status)
		assert.Equal(t, `"read";q=12;w=60`, got.Header.Get(policyHeader))
		assertLeft(t, got, left, (12-left)*5)
	}
	_, got := untilLimited(t, func() answer { return h.from("203.0.113.1", token) })
	assertProblem(t, got)
	assert.Equal(t, "/problems/too-many-requests", got.get("type"))
	assert.Equal(t, `"read";q=12;w=60`, got.Header.Get(policyHeader))
	assertLeft(t, got, 0, 60)
	wait, err := strconv.Atoi(got.Header.Get("Retry-After"))
	require.NoError(t, err)
	assert.True(t, wait >= 1 && wait <= 5, "%d", wait)
}

const policyHeader, limitHeader = "Ratelimit-Policy", "Ratelimit"

var readLeft = regexp.MustCompile(`^"read";r=(\d+);t=(\d+)$`)

// assertLeft reads the header of the tier read; a slow test may have seen the bucket fill a little.
func assertLeft(t *testing.T, got answer, left, reset int) {
	t.Helper()
	parts := readLeft.FindStringSubmatch(got.Header.Get(limitHeader))
	require.Len(t, parts, 3, got.Header.Get(limitHeader))
	r, _ := strconv.Atoi(parts[1])
	s, _ := strconv.Atoi(parts[2])
	assert.True(t, r >= left && r <= left+2, "left: %d, want %d", r, left)
	assert.True(t, s <= reset && s >= reset-10, "reset: %d, want %d", s, reset)
}

func TestLimit_everyOperationIsLimitedByItsTier(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for id, op := range h.contract.Operations {
		got := h.do(h.callFor(op, shape{Query: map[string]string{"nonsense": "1"}}, nil))
		policy := fmt.Sprintf("%q;q=%d;w=%d", op.RateTier.Name, op.RateTier.Requests*1000, int(op.RateTier.Per.Seconds()))
		assert.Equal(t, policy, got.Header.Get(policyHeader), "%s: %d", id, got.Status)
	}
	for _, path := range []string{"/livez", "/openapi.json", "/nope"} {
		assert.Empty(t, h.do(call{Method: http.MethodGet, Path: path}).Header.Get(limitHeader), path)
	}
}

func TestLimit_usersBehindOneAddressDoNotSpendEachOthersBucket(t *testing.T) {
	t.Parallel()
	h := behindProxy(t, strict)
	before, _ := untilLimited(t, func() answer { return h.from("203.0.113.1", h.token("admin")) })
	assert.GreaterOrEqual(t, before, 12, "whatever the session")
	assert.Equal(t, http.StatusTooManyRequests, h.from("203.0.113.2", h.token("admin")).Status, "wherever the user is")
	assert.Equal(t, http.StatusOK, h.from("203.0.113.1", h.token("teacher")).Status)
	assert.Equal(t, http.StatusOK, h.from("203.0.113.1", h.tokenIn(seed.Demo2Tenant, demoUsers["admin"], time.Hour)).Status, "the same id in another tenant is somebody else")
}

func TestLimit_aBadTokenSpendsItsAddressAndNobodyElse(t *testing.T) {
	t.Parallel()
	h := behindProxy(t, strict)
	good := h.token("admin")
	before := h.from("203.0.113.9", good)
	n := 0
	for name, bad := range map[string]string{"none": "", "garbage": "garbage", "altered": good[:len(good)-4] + "AAAA", "unknown": auth.NewToken(seed.DemoTenant).String()} {
		n++
		address := fmt.Sprint("198.51.100.", n)
		refused, got := untilLimited(t, func() answer { return h.from(address, bad) })
		assert.GreaterOrEqual(t, refused, 12, name)
		assert.Equal(t, http.StatusTooManyRequests, got.Status, name)
		assert.Equal(t, http.StatusUnauthorized, h.from("198.51.101.1", bad).Status, "another address is another bucket")
	}
	after := h.from("203.0.113.9", good)
	assert.Equal(t, http.StatusOK, after.Status)
	assertLeft(t, before, 11, 5)
	assertLeft(t, after, 10, 10)
}

func TestLimit_whoIsSignedInGoesOnWhileANeighbourSendsBadTokens(t *testing.T) {
	t.Parallel()
	h := behindProxy(t, strict)
	signedIn, fresh := h.token("admin"), h.token("teacher")
	require.Equal(t, http.StatusOK, h.from("203.0.113.1", signedIn).Status)
	untilLimited(t, func() answer { return h.from("203.0.113.1", "garbage") })
	assert.Equal(t, http.StatusOK, h.from("203.0.113.1", signedIn).Status, "it has authenticated before")
	assert.Equal(t, http.StatusTooManyRequests, h.from("203.0.113.1", fresh).Status, "refused before the database is asked")
	assert.Equal(t, http.StatusOK, h.from("203.0.113.2", fresh).Status)

	h.db.Exec(t, `update `+h.schema()+`.sessions set ended_at = now()`)
	assert.Equal(t, http.StatusTooManyRequests, h.from("203.0.113.1", signedIn).Status, "an ended one is a bad one")
}

func TestLimit_anEmptyBucketOfAnAddressSavesTheDatabase(t *testing.T) {
	t.Parallel()
	database := dbtest.NewFrom(t, "demo", seedDemo)
	trips := &dbtest.RoundTrips{}
	h := newHarnessOn(t, database, db.Config{URL: trips.Proxy(t, database.URL), MaxConns: 1}, believingLocal, limitedBy(newLimiter(t, ratelimit.Config{Scale: strict})))
	unknown := auth.NewToken(seed.DemoTenant).String()
	assert.Positive(t, trips.During(func() { h.from("203.0.113.1", unknown) }))
	untilLimited(t, func() answer { return h.from("203.0.113.1", unknown) })
	assert.Zero(t, trips.During(func() { h.from("203.0.113.1", unknown) }))
}

func TestLimit_publicOperationsCountByAddress(t *testing.T) {
	t.Parallel()
	h := behindProxy(t, 0.05) // 5 sign-ins a minute
	login := func(address string) answer {
		return h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: `{}`, Header: map[string]string{"X-Forwarded-For": address}})
	}
	before, _ := untilLimited(t, func() answer { return login("203.0.113.1") })
	assert.Equal(t, 5, before)
	assert.Equal(t, http.StatusBadRequest, login("203.0.113.2").Status)
}

func TestLimit_xForwardedForCannotDodgeIt(t *testing.T) {
	t.Parallel()
	n := 0
	spoofed := map[string]func(h *harness) answer{
		"nobody's word is believed": func(h *harness) answer { return h.from(fmt.Sprint("198.51.100.", n), "garbage") },
		"what the client wrote stands left of what the proxy adds": func(h *harness) answer {
			return h.from(fmt.Sprintf("198.51.100.%d, 203.0.113.1", n), "garbage")
		},
		"nonsense before it":              func(h *harness) answer { return h.from(fmt.Sprintf("%d;, 203.0.113.1", n), "garbage") },
		"other headers say nothing":       func(h *harness) answer { return h.withHeader("X-Real-IP", fmt.Sprint("198.51.100.", n)) },
		"nor does the standard one":       func(h *harness) answer { return h.withHeader("Forwarded", fmt.Sprint("for=198.51.100.", n)) },
		"an IPv6 client has one /64":      func(h *harness) answer { return h.from(fmt.Sprintf("2001:db8::%x", n+1), "garbage") },
		"an address has other spellings":  func(h *harness) answer { return h.from([]string{"203.0.113.1", "::ffff:203.0.113.1"}[n%2], "garbage") },
		"a trusted address in the middle": func(h *harness) answer { return h.from(fmt.Sprintf("127.0.0.%d, 203.0.113.1", n), "garbage") },
	}
	for name, request := range spoofed {
		h := behindProxy(t, strict)
		if name == "nobody's word is believed" {
			h = newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{}, limitedBy(newLimiter(t, ratelimit.Config{Scale: strict})))
		}
		before, _ := untilLimited(t, func() answer { n++; return request(h) })
		assert.Less(t, before, 16, name)
	}
}

func (h *harness) withHeader(name, value string) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodGet, Path: "/v1/auth/session", Token: "garbage", Header: map[string]string{name: value}})
}

func TestLimit_instancesShareItThroughRedisAndGoOnWithoutIt(t *testing.T) {
	t.Parallel()
	redis, database := redistest.New(t), dbtest.NewFrom(t, "demo", seedDemo)
	instance := func() *harness {
		return newHarnessOn(t, database, db.Config{MaxConns: 4}, limitedBy(newLimiter(t, ratelimit.Config{Scale: strict, RedisURL: redis.URL, Patience: 20 * time.Second})))
	}
	one, other := instance(), instance()
	token, n := one.token("admin"), 0
	alternate := func() answer {
		n++
		return []*harness{one, other}[n%2].session(token)
	}
	before, _ := untilLimited(t, alternate)
	assert.True(t, before >= 12 && before < 20, "%d", before)

	redis.Stop()
	fresh := one.token("teacher")
	before, _ = untilLimited(t, func() answer { return one.session(fresh) })
	assert.True(t, before >= 12 && before < 16, "without Redis each instance has the limit for itself: %d", before)
}

func TestLimit_aHundredAtOnceAreAdmittedExactlyAsTheBucketHolds(t *testing.T) {
	t.Parallel()
	h := behindProxy(t, 0.1) // 10 sign-ins at once, then one in six seconds
	statuses := make(chan int, 100)
	var all sync.WaitGroup
	start := time.Now()
	for range cap(statuses) {
		all.Go(func() {
			statuses <- h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: `{}`}).Status
		})
	}
	all.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	gained := int(time.Since(start) / (6 * time.Second))
	assert.Equal(t, 100, count[http.StatusBadRequest]+count[http.StatusTooManyRequests], "%v", count)
	assert.True(t, count[http.StatusBadRequest] >= 10 && count[http.StatusBadRequest] <= 10+gained, "%v", count)
}
