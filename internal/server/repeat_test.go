package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// repeated is a call with a key.
func (c call) repeated(key string) call {
	c.Header = maps.Clone(c.Header)
	if c.Header == nil {
		c.Header = map[string]string{}
	}
	c.Header["Idempotency-Key"] = key
	return c
}

// Every POST of the document, with every example: a repetition is answered as the first request was and changes nothing;
// the key is of no use for another body, nor for another operation.
func TestRepeat_everyPostCanBeRepeatedWithItsKey(t *testing.T) {
	t.Parallel()
	var repetitions, reuses atomic.Int64
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		if op.Method != http.MethodPost || op.Spec.Extensions["x-idempotency-exempt"] != nil {
			return
		}
		require.True(t, op.TakesKey)
		for name, body := range requestExamplesOf(op) {
			c := h.callFor(op, shape{}, body).repeated(op.ID + " " + name)
			first := h.do(c)
			require.Less(t, first.Status, 300, "%s: %s", name, first.Raw)
			assert.Empty(t, first.Header.Get("Idempotency-Replayed"))
			after := h.digest()

			again := h.do(c)
			assert.Equal(t, first.Status, again.Status, name)
			assert.Equal(t, string(first.Raw), string(again.Raw), name)
			for _, header := range []string{"Content-Type", "Location", "ETag"} {
				assert.Equal(t, first.Header.Get(header), again.Header.Get(header), "%s: %s", name, header)
			}
			assert.Equal(t, "true", again.Header.Get("Idempotency-Replayed"), name)
			repetitions.Add(1)

			others := otherRequests(t, h, op, body)
			require.NotEmpty(t, others)
			refused := 0
			for _, other := range others {
				got := h.do(other.repeated(op.ID + " " + name))
				if got.Status != http.StatusBadRequest { // no request that would be worked on
					assert.Equal(t, http.StatusUnprocessableEntity, got.Status, "%s %s with the key of another request: %s", other.Path, other.Body, got.Raw)
					assert.Equal(t, "/problems/idempotency-key-reused", got.get("type"))
					refused++
				}
			}
			assert.Positive(t, refused, "%s: no other request came so far", name)
			reuses.Add(int64(refused))
			assert.Equal(t, after, h.digest(), "%s: something was written", name)
		}
	})
	t.Cleanup(func() {
		assert.Positive(t, repetitions.Load())
		t.Logf("%d requests repeated, %d other requests refused", repetitions.Load(), reuses.Load())
	})
}

// requestExamplesOf are the bodies of the examples, nil for an operation without a body.
func requestExamplesOf(op *contract.Operation) map[string]any {
	all := map[string]any{}
	if op.Spec.RequestBody == nil {
		all["no body"] = nil
		return all
	}
	for name, example := range op.Spec.RequestBody.Value.Content["application/json"].Examples {
		all[name] = example.Value.Value
	}
	return all
}

// otherRequests are a request to another operation, and the same one with a member of the body changed: for each member
// one. Some are not valid.
func otherRequests(t *testing.T, h *harness, op *contract.Operation, body any) []call {
	t.Helper()
	other := "createInstitution"
	if op.ID == other {
		other = "createRole"
	}
	institution := h.contract.Operations[other]
	examples := requestExamplesOf(institution)
	others := []call{h.callFor(institution, shape{}, examples[slices.Sorted(maps.Keys(examples))[0]])}
	var decoded any
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &decoded))
	eachChange(decoded, func(changed any) { others = append(others, h.callFor(op, shape{}, changed)) })
	return others
}

// eachChange changes one value of a body at a time.
func eachChange(value any, yield func(changed any)) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			eachChange(v[name], func(changed any) {
				copied := maps.Clone(v)
				copied[name] = changed
				yield(copied)
			})
		}
	case []any:
		for i := range v {
			eachChange(v[i], func(changed any) {
				copied := slices.Clone(v)
				copied[i] = changed
				yield(copied)
			})
		}
	case string:
		yield(v + "x")
	case float64:
		yield(v + 1)
	case bool:
		yield(!v)
	}
}

func TestRepeat_ofTwoHundredAtOnceOverTwoInstancesOneHasTheEffect(t *testing.T) {
	t.Parallel()
	here := newHarness(t)
	there := newHarnessOn(t, here.db, db.Config{MaxConns: 4})
	c := call{Method: http.MethodPost, Path: "/v1/students", Token: here.token("registrar"), Body: admission("ONCE", nil)}.repeated("once")
	answers := make([]answer, 200)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = []*harness{here, there}[i%2].do(c) })
	}
	all.Wait()
	counts, bodies := map[string]int{}, map[string]bool{}
	for _, a := range answers {
		switch {
		case a.Status == http.StatusConflict:
			assert.Equal(t, "/problems/request-in-progress", a.get("type"), "%s", a.Raw)
			assert.NotEmpty(t, a.Header.Get("Retry-After"))
			counts["in progress"]++
		case a.Header.Get("Idempotency-Replayed") == "true":
			counts["replayed"]++
			bodies[string(a.Raw)] = true
		default:
			assert.Equal(t, http.StatusCreated, a.Status, "%s", a.Raw)
			counts["done"]++
			bodies[string(a.Raw)] = true
		}
	}
	t.Logf("one key, 200 at once over two instances: %v; students: %d", counts, here.count("students", "admission_number = 'ONCE'"))
	assert.Equal(t, 1, counts["done"])
	assert.Len(t, bodies, 1)
	assert.EqualValues(t, 1, here.count("students", "admission_number = 'ONCE'"))
	assert.EqualValues(t, 1, here.count("idempotency_keys", "true"))
}

func TestRepeat_whileTheFirstIsBeingWorkedOnIsToldSoAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, db.Config{MaxConns: 4, Timeout: time.Minute, LockTimeout: time.Minute})
	blocker := h.db.Conn(t)
	_, err := blocker.Exec(t.Context(), "begin; lock table "+h.schema()+".enrollments")
	require.NoError(t, err)
	c := call{Method: http.MethodPost, Path: "/v1/students", Token: h.token("registrar"), Body: admission("SLOW", nil)}.repeated("slow")
	var first answer
	var both sync.WaitGroup
	both.Go(func() { first = h.do(c) })
	require.Eventually(t, func() bool {
		return dbtest.Value[bool](t, h.db, `select exists (select from pg_locks where locktype = 'advisory' and objsubid = 1
			and database = (select oid from pg_database where datname = current_database()))`)
	}, 20*time.Second, time.Millisecond)
	second := h.do(c)
	assert.Equal(t, http.StatusConflict, second.Status)
	assert.Equal(t, "/problems/request-in-progress", second.get("type"))
	assert.Equal(t, "1", second.Header.Get("Retry-After"))
	_, err = blocker.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	both.Wait()
	assert.Equal(t, http.StatusCreated, first.Status, "%s", first.Raw)
	assert.Equal(t, string(first.Raw), string(h.do(c).Raw))
}

func TestRepeat_aRequestThatFailedLeavesItsKeyUnused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	c := call{Method: http.MethodPost, Path: "/v1/students", Token: h.token("registrar")}
	for name, failing := range map[string]struct {
		body   any
		status int
	}{
		"not valid":        {admission("K-1", func(a map[string]any) { a["email"] = "none" }), http.StatusBadRequest},
		"no such section":  {admission("K-1", func(a map[string]any) { a["sectionId"] = grade1A }), http.StatusBadRequest},
		"a number in use":  {admission("2026-001", nil), http.StatusConflict},
		"a member to many": {admission("K-1", func(a map[string]any) { a["isAdmin"] = true }), http.StatusBadRequest},
	} {
		c.Body = failing.body
		for range 2 {
			got := h.do(c.repeated("tried"))
			assert.Equal(t, failing.status, got.Status, "%s: %s", name, got.Raw)
			assert.Empty(t, got.Header.Get("Idempotency-Replayed"))
		}
	}
	assert.EqualValues(t, 0, h.count("idempotency_keys", "true"))
	c.Body = admission("K-1", nil)
	assert.Equal(t, http.StatusCreated, h.do(c.repeated("tried")).Status)
}

func TestRepeat_aKeyIsItsUsersAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const path = "/v1/institutions"
	body := func(code string) any { return map[string]any{"name": "Campus " + code, "code": code} }
	admin := call{Method: http.MethodPost, Path: path, Token: h.token("admin"), Body: body("K1")}.repeated("mine")
	assert.Equal(t, http.StatusCreated, h.do(admin).Status)
	colleague := h.userWith(assigned{role: "admin"})
	theirs := call{Method: http.MethodPost, Path: path, Token: h.tokenIn(seed.DemoTenant, colleague, time.Hour), Body: body("K2")}.repeated("mine")
	got := h.do(theirs)
	assert.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	assert.Empty(t, got.Header.Get("Idempotency-Replayed"))
	elsewhere := call{Method: http.MethodPost, Path: path, Token: h.tokenIn(seed.Demo2Tenant, demoUsers["admin"], time.Hour), Body: body("K1")}.repeated("mine")
	got = h.do(elsewhere)
	assert.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	assert.Empty(t, got.Header.Get("Idempotency-Replayed"), "another tenant's user of the same id")
	assert.Equal(t, "true", h.do(admin).Header.Get("Idempotency-Replayed"))

	// What the role of any transaction sees: the keys of the user that it was claimed for.
	conn := h.db.Conn(t)
	for _, role := range []string{h.schema(), db.LimitedRole(h.schema()), db.InstitutionsRole(h.schema())} {
		for user, want := range map[string]int{"": 0, uuid.NewString(): 0, demoUsers["admin"]: 1, colleague: 1} {
			tx, err := conn.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "select set_config('role', $1, true), set_config('rollcall.key_owner', $2, true)", role, user)
			require.NoError(t, err)
			var seen int
			require.NoError(t, tx.QueryRow(t.Context(), "select count(*) from "+h.schema()+".idempotency_keys").Scan(&seen))
			assert.Equal(t, want, seen, "%s for %q", role, user)
			deleted, err := tx.Exec(t.Context(), "delete from "+h.schema()+".idempotency_keys")
			require.NoError(t, err)
			assert.EqualValues(t, want, deleted.RowsAffected(), "%s for %q", role, user)
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
}

func TestRepeat_nothingPersonalIsKeptInThePlain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: h.token("registrar"), Body: admission("SECRET-1", nil)}.repeated("admit diya@example.org"))
	require.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	row := dbtest.Value[string](t, h.db, "select encode(convert_to(k::text, 'utf8'), 'escape') || encode(response, 'escape') from "+h.schema()+".idempotency_keys k")
	for _, plain := range []string{"Diya", "SECRET-1", "example.org", got.get("id").(string)} {
		assert.NotContains(t, row, plain)
		assert.NotContains(t, row, fmt.Sprintf("%x", plain))
	}
	assert.NotContains(t, h.log.String(), "diya@example.org")
}

func TestRepeat_keysThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for name, test := range map[string]struct {
		key  string
		code string
	}{
		"too long": {strings.Repeat("k", 256), "maxLength"}, "not printable": {"a\tb", "pattern"}, "not ASCII": {"schlüssel", "pattern"},
	} {
		got := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: h.token("registrar"), Body: admission("N-1", nil)}.repeated(test.key))
		assert.Equal(t, []fault{{"Idempotency-Key", test.code}}, got.faults(), name)
	}
	got := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: h.token("registrar"), Body: admission("N-1", nil)}.repeated(strings.Repeat("k", 255)))
	assert.Equal(t, http.StatusCreated, got.Status)
}
