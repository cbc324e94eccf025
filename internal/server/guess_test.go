package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// What follows is about the delays after wrong passwords (internal/auth, guesses): ten tries at an account are free, then
// one waits 5 s, 10 s, 20 s ... 15 min. Time passes by moving what is stored.

const (
	home     = "203.0.113.10" // where the owner of the account is
	stranger = "198.51.100.66"
)

func newGuessHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4}, believingLocal)
}

func (h *harness) tryPassword(address, email, password string) answer {
	h.t.Helper()
	return h.do(call{
		Method: http.MethodPost, Path: "/v1/auth/login", Header: map[string]string{"X-Forwarded-For": address},
		Body: map[string]any{"tenant": "demo", "email": email, "password": password},
	})
}

const teacher = "teacher@demo.school"

func (h *harness) signInFrom(address string) int {
	h.t.Helper()
	return h.tryPassword(address, teacher, seed.DemoPassword).Status
}

func (h *harness) guessWrong(address string, times int) {
	h.t.Helper()
	for range times {
		require.Equal(h.t, http.StatusUnauthorized, h.tryPassword(address, teacher, "wrong").Status)
	}
}

// delay makes wrong tries until they are delayed, for an hour more than they would be, however slow the test is.
func (h *harness) delay(address string) {
	h.t.Helper()
	h.guessWrong(address, 10)
	h.passTime(-time.Hour)
}

// endDelay lets the hour pass, and the first delay.
func (h *harness) endDelay() {
	h.t.Helper()
	h.passTime(time.Hour + 5*time.Second)
}

// passTime lets the tries at accounts of the demo tenant be so much longer ago.
func (h *harness) passTime(d time.Duration) {
	h.t.Helper()
	h.db.Exec(h.t, `update `+h.schema()+`.guesses set counted_at = counted_at - make_interval(secs => $1)`, d.Seconds())
}

func TestGuessing_afterTenWrongPasswordsTheRightOneHasToWait(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	for range 2 {
		h.guessWrong(stranger, 9)
		assert.Equal(t, http.StatusOK, h.signInFrom(stranger), "the tenth try is free, and success forgets")
		h.db.Exec(t, `delete from `+h.schema()+`.sessions`) // the address is unknown again
	}
	h.delay(stranger)
	wrong, right := h.tryPassword(stranger, teacher, "wrong"), h.tryPassword(stranger, teacher, seed.DemoPassword)
	assert.Equal(t, http.StatusUnauthorized, right.Status)
	assert.Equal(t, withoutRequestID(wrong), withoutRequestID(right), "nothing tells that it is delayed")
	h.endDelay()
	assert.Equal(t, http.StatusOK, h.signInFrom(stranger), "the delay ends by itself")
}

func withoutRequestID(a answer) map[string]any {
	problem := a.JSON.(map[string]any)
	delete(problem, "requestId")
	return problem
}

func TestGuessing_delaysDoubleUpToAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	h.guessWrong(stranger, 10)
	for _, seconds := range []float64{5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900} {
		delay := time.Duration(seconds * float64(time.Second))
		h.passTime(delay - 2*time.Second)
		before := h.failures()
		h.guessWrong(stranger, 1)
		require.InDelta(t, before, h.failures(), 0, "a try while it lasts changes nothing: %v", delay)
		h.passTime(2 * time.Second)
		h.guessWrong(stranger, 1)
		require.NotEqual(t, before, h.failures(), "it lasts no longer than %v", delay)
	}
}

// failures are those of the only account that was tried.
func (h *harness) failures() float64 {
	h.t.Helper()
	return dbtest.Value[float64](h.t, h.db, `select failures + extract(epoch from counted_at)::float8 / 1e12 from `+h.schema()+`.guesses`)
}

func TestGuessing_theOwnerSignsInFromAKnownAddressWhileAStrangerHammers(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	require.Equal(t, http.StatusOK, h.signInFrom(home))
	h.delay(stranger)
	assert.Equal(t, http.StatusUnauthorized, h.signInFrom(stranger), "even who has the password now")
	assert.Equal(t, http.StatusUnauthorized, h.signInFrom("203.0.113.99"), "an address that is not known has to wait")
	assert.Equal(t, http.StatusOK, h.signInFrom(home))
	assert.Equal(t, http.StatusUnauthorized, h.signInFrom(stranger), "the owner's success is not the stranger's")

	h.delay(home)
	assert.Equal(t, http.StatusUnauthorized, h.signInFrom(home), "a known address may not guess for ever")
	h.endDelay()
	assert.Equal(t, http.StatusOK, h.signInFrom(home))

	h.db.Exec(t, `update `+h.schema()+`.sessions set created_at = created_at - interval '31 days'`)
	h.db.Exec(t, `update `+h.schema()+`.guesses set failures = 10, counted_at = now() + interval '1 hour'`)
	assert.Equal(t, http.StatusUnauthorized, h.signInFrom(home), "after thirty days an address is known no longer")
}

func TestGuessing_anIPv6NetworkIsKnownAsAWhole(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	require.Equal(t, http.StatusOK, h.signInFrom("2001:db8:1:2:aaaa::1"))
	h.delay(stranger)
	assert.Equal(t, http.StatusOK, h.signInFrom("2001:db8:1:2:bbbb::2"))
	assert.Equal(t, http.StatusUnauthorized, h.signInFrom("2001:db8:1:3::1"))
}

func TestGuessing_anAddressIsSlowedAcrossTenantsButNotItsKnownUsers(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	require.Equal(t, http.StatusOK, h.signInFrom(home))
	addressFailures := func() float64 {
		return dbtest.Value[float64](t, h.db, `select coalesce(sum(failures), 0) from control.guesses where purpose = 'address'`)
	}
	assert.Zero(t, addressFailures(), "a success does not count")
	for _, tenant := range []string{"demo", "demo2", "nosuch"} {
		before := addressFailures()
		body := map[string]any{"tenant": tenant, "email": "nobody@demo.school", "password": "wrong"}
		h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body, Header: map[string]string{"X-Forwarded-For": home}})
		assert.InDelta(t, before+1, addressFailures(), 0.5, tenant)
	}
	h.db.Exec(t, `update control.guesses set failures = 100, counted_at = clock_timestamp() + interval '1 hour' where purpose = 'address'`)
	registrar := func() int {
		return h.tryPassword(home, "registrar@demo.school", seed.DemoPassword).Status
	}
	assert.Equal(t, http.StatusUnauthorized, registrar())
	assert.Equal(t, int64(0), h.count("guesses", "failures > 1.5"), "a try that the address had no right to does not count for the account")
	assert.Equal(t, http.StatusOK, h.signInFrom(home), "known there: not bound by what the neighbours do")
	assert.Equal(t, http.StatusOK, h.tryPassword(stranger, "registrar@demo.school", seed.DemoPassword).Status, "another address")
	h.db.Exec(t, `update control.guesses set counted_at = counted_at - interval '1 hour 5 seconds' where purpose = 'address'`)
	assert.Equal(t, http.StatusOK, registrar())
}

func TestGuessing_allThatIsWrongTakesTheSameTime(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	timeOf := func(tenant, email, password string) time.Duration {
		body := map[string]any{"tenant": tenant, "email": email, "password": password}
		start := time.Now()
		got := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: body})
		took := time.Since(start)
		require.Equal(t, http.StatusUnauthorized, got.Status)
		return took
	}
	h.delay("")
	timeOf("demo", teacher, "wrong") // makes the decoy hash
	attempts := map[string]func() time.Duration{
		"wrong password": func() time.Duration { return timeOf("demo", "admin@demo.school", "wrong") },
		"unknown user":   func() time.Duration { return timeOf("demo", "nobody@demo.school", "wrong") },
		"unknown tenant": func() time.Duration { return timeOf("nosuch", "admin@demo.school", "wrong") },
		"delayed":        func() time.Duration { return timeOf("demo", teacher, seed.DemoPassword) },
	}
	took := map[string][]time.Duration{}
	sample := func(rounds int) {
		for range rounds {
			h.db.Exec(t, `update `+h.schema()+`.guesses set failures = 0 where failures < 9.5`)
			h.db.Exec(t, `delete from control.guesses`)
			for name, attempt := range attempts { // alternating, so that all see the same machine
				took[name] = append(took[name], attempt())
			}
		}
	}
	tells := func() (told []string) {
		for name := range attempts {
			if ratio, rank := compare(took[name], took["wrong password"]); rank > 0.8 && (ratio < 0.7 || ratio > 1.4) {
				told = append(told, fmt.Sprintf("%s takes %.2f times as long, by rank %.2f", name, ratio, rank))
			}
		}
		return told
	}
	for sample(12); len(tells()) > 0 && len(took["delayed"]) < 60; {
		sample(12)
	}
	assert.Empty(t, tells(), "after %d rounds", len(took["delayed"]))
}

// compare says how the median of some times compares with that of others, and how surely the two can be told apart: the
// part of all pairs in which one is the longer (Mann and Whitney's U), from 0.5, not at all, to 1. A busy machine widens both
// alike; a password that is not hashed takes a tenth of the time in nearly every pair.
func compare(some, others []time.Duration) (ratio, rank float64) {
	longer := 0
	for _, a := range some {
		for _, b := range others {
			if a > b {
				longer++
			}
		}
	}
	rank = float64(longer) / float64(len(some)*len(others))
	return median(some).Seconds() / median(others).Seconds(), max(rank, 1-rank)
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

func TestGuessing_thePresentPasswordIsGuardedWhenItIsChanged(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	token := h.token("teacher")
	change := func(current, to string) answer {
		return h.do(call{Method: http.MethodPost, Path: "/v1/auth/password", Token: token, Body: map[string]any{"currentPassword": current, "newPassword": to}})
	}
	for range 15 {
		got := change(seed.DemoPassword, "Password1234!")
		require.Equal(t, []fault{{"newPassword", "common"}}, got.faults(), "the present one was right: no guess")
	}
	for range 10 {
		require.Equal(t, http.StatusBadRequest, change("wrong", "seven chairs in the north hall").Status)
	}
	h.passTime(-time.Hour)
	got := change(seed.DemoPassword, "seven chairs in the north hall")
	assert.Equal(t, []fault{{"currentPassword", "mismatch"}}, got.faults())
	assert.Equal(t, http.StatusOK, h.signInFrom(home), "a thief of the session does not keep the owner from signing in")
	h.endDelay()
	assert.Equal(t, http.StatusOK, change(seed.DemoPassword, "seven chairs in the north hall").Status)
}

func TestGuessing_failuresFadeAndOldOnesAreRemoved(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	h.guessWrong(stranger, 10)
	h.passTime(3 * time.Hour)
	h.guessWrong(stranger, 2)
	assert.Equal(t, http.StatusOK, h.signInFrom(stranger), "three of ten had faded")

	h.guessWrong(stranger, 1)
	h.tryPassword(stranger, "nobody@demo.school", "wrong")
	h.db.Exec(t, `update `+h.schema()+`.guesses set counted_at = now() - interval '2 days' where subject = (select subject from `+h.schema()+`.guesses limit 1)`)
	for _, want := range []int64{1, 0} {
		removed, err := db.InTxValue(t.Context(), h.db.DB, db.Tenant(seed.DemoTenant), db.Options{}, func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.DeleteOldGuesses(ctx, time.Now().Add(-24*time.Hour), 100)
		})
		require.NoError(t, err)
		assert.Equal(t, want, removed)
	}
	assert.EqualValues(t, 1, h.count("guesses", "true"))
}

func TestGuessing_theTablesHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	h.guessWrong(stranger, 1)
	for _, table := range []string{h.schema() + ".guesses", "control.guesses"} {
		rows := dbtest.Value[string](t, h.db, `select string_agg(r::text, ' ') from `+table+` r`)
		assert.NotContains(t, rows, "teacher")
		assert.NotContains(t, rows, "198.51")
	}
}
