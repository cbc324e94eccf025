package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/replay"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// events asks for audit events as an administrator.
func (h *harness) events(filter map[string]string) answer {
	h.t.Helper()
	query := url.Values{}
	for name, value := range filter {
		query.Set(name, value)
	}
	got := h.do(call{Method: http.MethodGet, Path: "/v1/audit-events?" + query.Encode(), Token: h.token("admin")})
	require.Equal(h.t, http.StatusOK, got.Status, "%s", got.Raw)
	return got
}

// Every request of the document's examples that changes a row leaves events, of the operation, its caller, session, address and
// request. Those that change none leave none.
func TestAudit_everyOperationThatWritesLeavesEventsOfItsCaller(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	watch := &trailWatch{harness: h, users: map[string]string{}, fingerprint: h.auditedWrites(), writing: map[string]int{}}
	watch.before = watch.fingerprint()
	result, err := replay.Run(t.Context(), replay.Config{BaseURL: h.url, Client: &http.Client{Transport: watch}, Contract: h.contract, Fresh: true})
	require.NoError(t, err)
	assertPassed(t, "with an eye on the trail", result)
	for id, op := range h.contract.Operations {
		if op.Method != http.MethodGet {
			assert.Equal(t, writesNothing[id] == "", watch.writing[id] > 0, "%s: an example of it changes an audited row", id)
		}
	}
	t.Logf("%d operations with requests that write, each in the trail; %d requests that do not", len(watch.writing), watch.silent)
}

// writesNothing are the operations whose examples change no audited row though their method may, and why.
var writesNothing = map[string]string{
	"verifyAuditEvents": "it reads", "testWebhook": "a delivery is no event", "replayWebhookDelivery": "a delivery is no event",
	"revokeSession": "the session of the example has expired", "revokeUserSession": "the session of the example has expired",
}

// trailWatch holds the trail against the rows after each request of one caller after another.
type trailWatch struct {
	*harness

	users       map[string]string // by credential
	fingerprint func() any
	before      any
	writing     map[string]int // by operation
	silent      int
}

func (w *trailWatch) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := w.client.Transport.RoundTrip(request)
	if err != nil {
		return response, err
	}
	raw, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	response.Body = io.NopCloser(bytes.NewReader(raw))
	w.learn(response, raw)
	w.hold(request, response)
	return response, nil
}

// learn remembers whose a credential is.
func (w *trailWatch) learn(response *http.Response, raw []byte) {
	var signIn struct {
		Token string
		User  struct{ ID string }
	}
	if json.Unmarshal(raw, &signIn) != nil || signIn.User.ID == "" {
		return
	}
	w.users["Bearer "+signIn.Token] = signIn.User.ID
	for _, c := range response.Cookies() {
		w.users[c.Value] = signIn.User.ID
	}
}

func (w *trailWatch) hold(request *http.Request, response *http.Response) {
	op := operationOf(w.contract, request)
	events := dbtest.Values[string](w.t, w.db, `select concat_ws(' ', action, actor_kind, actor_id, session_id is not null, remote_address) from `+w.schema()+`.audit_events
		where request_id = $1 and change <> 'attempt'`, response.Header.Get("X-Request-ID"))
	before := w.before
	w.before = w.fingerprint()
	if reflect.DeepEqual(before, w.before) {
		assert.Empty(w.t, events, "%s: nothing was changed", request.URL)
		w.silent++
		return
	}
	if !assert.NotEmpty(w.t, events, "%s %s: nothing tells of it", request.Method, request.URL) {
		return
	}
	w.writing[op.ID]++
	got := slices.Compact(slices.Sorted(slices.Values(events)))
	if op.Public { // who it was is known when the password is
		assert.Regexp(w.t, "^"+op.ID+" user [0-9a-f-]{36} f 127.0.0.1$", strings.Join(got, ","))
		return
	}
	credential := request.Header.Get("Authorization")
	if cookie, err := request.Cookie(auth.CookieName); err == nil {
		credential = cookie.Value
	}
	assert.Equal(w.t, []string{op.ID + " user " + w.users[credential] + " t 127.0.0.1"}, got)
}

// auditedWrites is writes of the audited tables alone: cheaper than rows, and blind to a value that is written again.
func (h *harness) auditedWrites() func() any {
	h.t.Helper()
	var each []string
	for _, table := range slices.Sorted(maps.Keys(h.rows())) {
		if table != "sessions" {
			each = append(each, `select '`+table+` ' || count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) from `+h.schema()+`.`+table)
		}
	}
	each = append(each, `select `+sessionsThatCount+` from `+h.schema()+`.sessions`)
	return func() any { return dbtest.Values[string](h.t, h.db, strings.Join(each, " union all ")) }
}

// sessionsThatCount is a fingerprint of the sessions but for when they were last used.
const sessionsThatCount = `coalesce(md5(string_agg(concat(id, token_hash, ended_at), '|' order by id)), '')`

// rows is a fingerprint of every audited table.
func (h *harness) rows() map[string]string {
	h.t.Helper()
	all := h.digest()
	for _, unaudited := range []string{"role_changes", "idempotency_keys", "outbox_events", "webhook_deliveries"} {
		delete(all, unaudited)
	}
	// An update that is no event: when a session was last used.
	all["sessions"] = dbtest.Value[string](h.t, h.db, `select `+sessionsThatCount+` from `+h.schema()+`.sessions`)
	return all
}

func TestAudit_oneReadsWhoDidWhatAndNotThePersonalData(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("registrar")
	changed := h.do(call{Method: http.MethodPatch, Path: "/v1/students/" + asha, Token: token, Body: map[string]any{
		"lastName": "Verma-Rao", "phone": "+91 98450 00099", "email": "asha@example.org", "address": "1 New Street", "customFields": map[string]any{"diet": "nuts"},
	}})
	require.Equal(t, http.StatusOK, changed.Status, "%s", changed.Raw)
	got := h.events(map[string]string{"resourceId": asha, "action": "updateStudent"})
	require.Len(t, got.list("data"), 1, "%s", got.Raw)
	event := got.get("data", 0).(map[string]any)
	assert.Equal(t, map[string]any{"lastName": "V***", "phone": "***01", "address": "***", "customFields": "***"}, event["before"])
	assert.Equal(t, map[string]any{"lastName": "V***", "phone": "***99", "address": "***", "customFields": "***"}, event["after"])
	assert.Equal(t, changed.Header.Get("X-Request-ID"), event["requestId"])
	assert.Equal(t, demoUsers["registrar"], event["actorId"])
	assert.Equal(t, "127.0.0.1", event["remoteAddress"])
	user := h.events(map[string]string{"resourceType": "user", "action": "updateStudent"})
	assert.Equal(t, "a***@e***.org", user.get("data", 0, "after", "email"))
}

func TestAudit_signInsAndTriesAreInTheTrail(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	login := func(email, password string) string {
		return h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: map[string]any{"tenant": "demo", "email": email, "password": password}}).Header.Get("X-Request-ID")
	}
	right, wrong, nobody := login("admin@demo.school", seed.DemoPassword), login("admin@demo.school", "wrong"), login("nobody@demo.school", "wrong")
	seen := func(request string) []string {
		return dbtest.Values[string](t, h.db, `select concat_ws(' ', actor_kind, resource_type, change, resource_id is not null, coalesce(actor_id::text, 'nobody')) from `+h.schema()+`.audit_events
			where request_id = $1 order by id`, request)
	}
	assert.Equal(t, []string{"anonymous user attempt t nobody", "user session create t " + demoUsers["admin"]}, seen(right))
	assert.Equal(t, []string{"anonymous user attempt t nobody"}, seen(wrong))
	assert.Equal(t, []string{"anonymous user attempt f nobody"}, seen(nobody))
	assert.EqualValues(t, 1, h.events(map[string]string{"actorId": demoUsers["admin"], "action": "login"}).get("page", "total"))
}

func TestAudit_aListIsFilteredAndRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	all := h.events(map[string]string{"limit": "100", "action": "seed"})
	total := int(all.get("page", "total").(float64))
	require.Greater(t, total, 100)

	var walked []string
	filter := map[string]string{"limit": "40", "action": "seed"}
	for {
		got := h.events(filter)
		for i := range got.list("data") {
			walked = append(walked, got.get("data", i, "id").(string))
		}
		next, more := got.get("page", "nextCursor").(string)
		if !more {
			break
		}
		filter["cursor"] = next
	}
	assert.Len(t, walked, total)
	assert.True(t, slices.IsSortedFunc(walked, func(a, b string) int { return -compareText(a, b) }), "the latest first")

	middle := all.get("data", 50, "recordedAt").(string)
	_, err := time.Parse(time.RFC3339, middle)
	require.NoError(t, err)
	from := h.events(map[string]string{"action": "seed", "from": middle, "limit": "100"})
	to := h.events(map[string]string{"action": "seed", "to": middle, "limit": "100"})
	assert.EqualValues(t, 51, from.get("page", "total"), "the event of that very time is in")
	assert.EqualValues(t, total-51, to.get("page", "total"))
	for filter, want := range map[[2]string]int{{"resourceType", "institution"}: 3, {"resourceType", "nothing"}: 0, {"actorId", asha}: 0, {"resourceId", asha}: 2} {
		assert.EqualValues(t, want, h.events(map[string]string{"action": "seed", filter[0]: filter[1]}).get("page", "total"), filter)
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestAudit_theTrailIsVerifiedThroughTheAPI(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	verify := func(body any) answer {
		got := h.do(call{Method: http.MethodPost, Path: "/v1/audit-events/verify", Token: h.token("admin"), Body: body})
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
		return got
	}
	whole := verify(map[string]any{})
	assert.Equal(t, true, whole.get("isIntact"))
	assert.Equal(t, true, whole.get("isComplete"))
	head := whole.get("head")
	assert.Equal(t, true, verify(map[string]any{"head": head}).get("isIntact"))
	h.db.Exec(t, `update `+h.schema()+`.audit_events set actor_id = gen_random_uuid() where id = (select event_id from `+h.schema()+`.audit_seals where position = 7)`)
	got := verify(map[string]any{})
	assert.Equal(t, false, got.get("isIntact"))
	assert.Equal(t, "edited", got.get("fault", "kind"))
	assert.EqualValues(t, 7, got.get("fault", "position"))
	assert.Equal(t, true, verify(map[string]any{"from": 8}).get("isIntact"))
	h.db.Exec(t, `delete from `+h.schema()+`.audit_events; delete from `+h.schema()+`.audit_unsealed; delete from `+h.schema()+`.audit_seals`)
	assert.Equal(t, true, verify(map[string]any{}).get("isIntact"))
	assert.Equal(t, "truncated", verify(map[string]any{"head": head}).get("fault", "kind"))
}
