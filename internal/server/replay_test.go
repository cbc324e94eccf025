package server_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/replay"
	"github.com/rollcall-erp/rollcall/internal/server"
	"github.com/rollcall-erp/rollcall/internal/testreport"
)

// Every example of the document is sent to the real service on the demo school, in the order that the document implies:
// first on a school that is as it was seeded, then again on what the first run has left. A new operation or example is
// covered by being written in openapi.yaml.
func TestReplay_theWholeDocumentTwiceOnOneServer(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	before := h.allRows()
	for run, fresh := range []bool{true, false} {
		result, err := replay.Run(t.Context(), replay.Config{
			BaseURL: h.url, Client: h.closedClient(), Contract: h.contract, Fresh: fresh, Snapshot: h.writes(),
		})
		require.NoError(t, err)
		assertPassed(t, fmt.Sprint("run ", run+1), result)
		if fresh {
			testreport.Add(t, "operations", result.Coverage.Operations.Covered)
			testreport.Add(t, "examples replayed", result.Coverage.Examples.Covered)
			testreport.Add(t, "statuses of the document got", result.Coverage.Statuses.Covered)
		}
		testreport.Add(t, "failures", result.Failures+len(result.Coverage.Missing))
	}
	after := h.allRows()
	for row, n := range before {
		assert.GreaterOrEqual(t, after[row], n, "a row that was there is not as it was: %s", row)
	}
	t.Logf("%d rows were there before, and are as they were; %d are new", len(before), len(after)-len(before))
}

// newReplayHarness has the true clock: the replay knows no other.
func newReplayHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4}, onTheTrueClock)
}

func onTheTrueClock(d *server.Dependencies) { d.Now = nil }

// closedClient holds every answer to the headers that close what browsers leave open.
func (h *harness) closedClient() *http.Client {
	return &http.Client{Transport: closedTransport{h}}
}

type closedTransport struct{ *harness }

func (c closedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.client.Transport.RoundTrip(request)
	if err == nil {
		assertClosed(c.t, request, response.Header)
	}
	return response, err
}

// allRows counts the rows of the demo tenant, without who wrote them last and when, and the ids of links, which no answer shows.
func (h *harness) allRows() map[string]int {
	h.t.Helper()
	all := map[string]int{}
	for table := range h.digest() {
		for _, row := range dbtest.Values[string](h.t, h.db, `select '`+table+` ' || (to_jsonb(r) - '{updated_at,updated_by,version,access_version,last_used_at,marked_at,marked_by,graded_at,graded_by,paused_until}'::text[]
			- case when '`+table+`' = 'user_roles' then 'id' else '' end)::text from `+h.schema()+`.`+table+` r`) {
			all[row]++
		}
	}
	return all
}

// writes differs from one call to the next when anything was written in the demo tenant between them, more cheaply than a digest: a row that
// is written has a later transaction.
func (h *harness) writes() func() any {
	h.t.Helper()
	tables := h.digest()
	var each []string
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		each = append(each, `select '`+table+` ' || count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) from `+h.schema()+`.`+table)
	}
	return func() any { return dbtest.Values[string](h.t, h.db, strings.Join(each, " union all ")) }
}

func assertPassed(t *testing.T, which string, result *replay.Result) {
	t.Helper()
	var out strings.Builder
	result.WriteText(&out, "")
	t.Log(which + "\n" + out.String())
	assert.True(t, result.Passed(), which)
}

// Each operation by itself brings what it needs.
func TestReplay_everyOperationAlone(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	for id := range h.contract.Operations {
		result, err := replay.Run(t.Context(), replay.Config{BaseURL: h.url, Client: h.client, Contract: h.contract, Operation: id})
		require.NoError(t, err)
		assertPassed(t, id, result)
	}
	assert.EqualValues(t, 0, h.count("sessions", "ended_at is null"), "sessions that were not signed out")
}

// A server that lies in one place is found out.
func TestReplay_findsWhatIsNotAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	for name, test := range map[string]struct {
		operation string
		tamper    func(r *http.Response, body string) string
		step      string
		want      replay.Difference
	}{
		"another status": {"getClass", func(r *http.Response, body string) string {
			r.StatusCode = http.StatusAccepted
			return body
		}, "grade5", replay.Difference{Where: "status", Expected: "200"}},
		"another value": {
			"getClass", replaced(`"name":"Grade 5"`, `"name":"Grade 6"`), "grade5",
			replay.Difference{Where: "/name", Expected: `"Grade 5"`, Actual: `"Grade 6"`},
		},
		"a member more": {
			"getClass", replaced(`{"createdAt"`, `{"tenant":"demo","createdAt"`), "grade5",
			replay.Difference{Where: "/tenant", Expected: "nothing", Actual: `"demo"`},
		},
		"a member less": {
			"getStudent", replaced(`"bloodGroup":"O+",`, ""), "asha",
			replay.Difference{Where: "/bloodGroup", Expected: `"O+"`, Actual: "nothing"},
		},
		"a time that is none": {
			"getClass", replaced(`"updatedAt":"2`, `"updatedAt":"x2`), "grade5",
			replay.Difference{Where: "/updatedAt", Expected: `"2026-04-01T00:00:00Z"`},
		},
		"another id than the one that was made": {
			"withdrawStudent", func(_ *http.Response, body string) string {
				return regexp.MustCompile(`"id":"[^"]+"`).ReplaceAllString(body, `"id":"`+asha+`"`)
			}, "minimal",
			replay.Difference{Where: "/id"},
		},
		"fewer rows than the example has": {
			"listTeachers", replaced(`"total":1`, `"total":0`), "grade5a",
			replay.Difference{Where: "/page/total", Expected: "1", Actual: "0"},
		},
		"a header less": {"getStudent", func(r *http.Response, body string) string {
			r.Header.Del("ETag")
			return body
		}, "asha", replay.Difference{Where: "schema"}},
		"another media type": {"getClass", func(r *http.Response, body string) string {
			r.Header.Set("Content-Type", "text/html")
			return body
		}, "grade5", replay.Difference{Where: "schema"}},
		"a place that is elsewhere": {"createClass", func(r *http.Response, body string) string {
			r.Header.Set("Location", "/v1/classes/01900000-0000-7000-8000-000000000302")
			return body
		}, "new", replay.Difference{Where: "header Location"}},
		"another error": {
			"listClasses", replaced(`"code":"minimum"`, `"code":"maximum"`), "limit-zero",
			replay.Difference{Where: "/errors", Expected: `query "limit" minimum`, Actual: "missing"},
		},
		"another type of problem": {
			"getClass", replaced(`"/problems/not-found"`, `"/problems/gone"`), "unknown",
			replay.Difference{Where: "/type"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := replay.Run(t.Context(), replay.Config{
				BaseURL: tamperingProxy(t, h, test.operation, test.tamper), Client: h.client, Contract: h.contract, Operation: test.operation,
			})
			require.NoError(t, err)
			assert.False(t, result.Passed())
			assert.True(t, hasDifference(result, test.step, test.want), "%+v", result.Operations[0].Steps)
			var junit strings.Builder
			require.NoError(t, result.WriteJUnit(&junit))
			assert.Contains(t, junit.String(), "<failure message=")
		})
	}
}

func replaced(old, replacement string) func(*http.Response, string) string {
	return func(_ *http.Response, body string) string { return strings.Replace(body, old, replacement, 1) }
}

func hasDifference(result *replay.Result, step string, want replay.Difference) bool {
	for _, st := range result.Operations[0].Steps {
		for _, d := range st.Failures {
			if st.Name == step && d.Where == want.Where && (want.Expected == "" || d.Expected == want.Expected) && (want.Actual == "" || d.Actual == want.Actual) {
				return true
			}
		}
	}
	return false
}

// tamperingProxy stands before the service and changes the answers of one operation.
func tamperingProxy(t *testing.T, h *harness, operation string, tamper func(*http.Response, string) string) string {
	t.Helper()
	target, err := url.Parse(h.url)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if operationOf(h.contract, r.Request).ID != operation {
				return nil
			}
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			_ = r.Body.Close()
			body := tamper(r, string(raw))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
		Transport: h.client.Transport,
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

func TestReplay_noticesABadRequestThatWrites(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	writes := 0
	result, err := replay.Run(t.Context(), replay.Config{
		BaseURL: h.url, Client: h.client, Contract: h.contract, Operation: "getClass", Snapshot: func() any { writes++; return writes },
	})
	require.NoError(t, err)
	assert.True(t, hasDifference(result, "unknown", replay.Difference{Where: "afterwards", Expected: "nothing written"}))
	assert.False(t, hasDifference(result, "grade5", replay.Difference{Where: "afterwards"}), "a good request may write")
}

func TestReplay_saysWhatOfTheDocumentHasNoExample(t *testing.T) {
	t.Parallel()
	database := dbtest.NewFrom(t, "demo", seedDemo)
	for name, test := range map[string]struct {
		change  func(document3)
		missing string
	}{
		"a status": {func(d document3) {
			delete(d.Operations["updateClass"].Spec.Extensions["x-negative-examples"].(map[string]any), "duplicate")
		}, "updateClass: no example gets 409; add one to x-negative-examples, or a reason to x-no-example"},
		"a reason that does not hold": {func(d document3) {
			d.Operations["updateClass"].Spec.Extensions["x-no-example"] = map[string]any{"409": "Never."}
		}, "updateClass: x-no-example gives a reason for 409, and there is one"},
		"an answer to no request": {func(d document3) {
			examples := d.Operations["updateClass"].Spec.Responses.Value("200").Value.Content["application/json"].Examples
			examples["other"] = examples["grade5"]
		}, "updateClass: example other was not sent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarnessOf(t, changed(t, test.change), database, db.Config{MaxConns: 2}, onTheTrueClock)
			result, err := replay.Run(t.Context(), replay.Config{BaseURL: h.url, Client: h.client, Contract: h.contract, Operation: "updateClass"})
			require.NoError(t, err)
			assert.Equal(t, []string{test.missing}, result.Coverage.Missing)
			assert.Zero(t, result.Failures)
			assert.False(t, result.Passed())
		})
	}
}

func TestReplay_leavesWhatItWroteOnlyIfWanted(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	for keep, name := range map[bool]string{false: "Grade 5", true: "Class V"} {
		result, err := replay.Run(t.Context(), replay.Config{BaseURL: h.url, Client: h.client, Contract: h.contract, Operation: "updateClass", Keep: keep})
		require.NoError(t, err)
		assertPassed(t, "updateClass", result)
		assert.EqualValues(t, 1, h.count("classes", "id = $1 and name = $2", grade5, name), "keep: %t", keep)
		h.db.Exec(t, `update `+h.schema()+`.classes set name = 'Grade 5' where id = $1`, grade5)
	}
}

// Whoever interrupts a run finds the rows as they were.
func TestReplay_takesBackWhatItWroteWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	h := newReplayHarness(t)
	active, students := h.count("enrollments", "status = 'active'"), h.count("students", "true")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	result, err := replay.Run(ctx, replay.Config{
		BaseURL: h.url, Client: h.client, Contract: h.contract,
		Progress: func(_, _ int, operation string) {
			if operation == "withdrawStudent" { // the students have been admitted
				interrupt()
			}
		},
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, result.Passed())
	assert.Greater(t, h.count("students", "true"), students, "nobody was admitted: the test shows nothing")
	assert.Equal(t, active, h.count("enrollments", "status = 'active'"), "who was admitted is withdrawn")
	assert.EqualValues(t, 0, h.count("sessions", "ended_at is null"))
}
