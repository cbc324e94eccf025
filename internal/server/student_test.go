package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func (h *harness) bulk(students []any) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodPost, Path: "/v1/students/bulk", Token: h.token("registrar"), Body: map[string]any{"students": students}})
}

func (h *harness) student(method, suffix string, body any, header map[string]string) answer {
	h.t.Helper()
	return h.do(call{Method: method, Path: "/v1/students/" + asha + suffix, Token: h.token("registrar"), Body: body, Header: header})
}

func TestBulk_faultsOfTheBodyAreAllReportedWithTheirPlaces(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	batch := batchOf(100)
	batch[36].(map[string]any)["email"] = "item 37 is bad"
	batch[50].(map[string]any)["admissionNumber"] = "B-049"
	batch[99].(map[string]any)["guardians"].([]any)[1].(map[string]any)["phone"] = "abc"
	before := h.digest()
	got := h.bulk(batch)
	assert.Equal(t, http.StatusBadRequest, got.Status)
	assert.ElementsMatch(t, []fault{
		{"students[36].email", "format"}, {"students[50].admissionNumber", "unique"}, {"students[99].guardians[1].phone", "pattern"},
	}, got.faults())
	assert.Equal(t, before, h.digest())
}

func TestBulk_faultsAgainstWhatIsStoredAreAllReportedWithTheirPlaces(t *testing.T) {
	t.Parallel()
	h := newRoomyHarness(t)
	batch := batchOf(100)
	batch[3].(map[string]any)["admissionNumber"] = "2026-001"
	batch[4].(map[string]any)["email"] = "asha.verma@demo.school"
	batch[5].(map[string]any)["aadharNumber"] = "999900000001"
	batch[6].(map[string]any)["rollNumber"] = 1
	before := h.digest()
	conflicts := []fault{
		{"students[3].admissionNumber", "unique"}, {"students[4].email", "unique"}, {"students[5].aadharNumber", "unique"}, {"students[6].rollNumber", "unique"},
	}
	got := h.bulk(batch)
	assert.Equal(t, http.StatusConflict, got.Status)
	assert.ElementsMatch(t, conflicts, got.faults())

	batch[70].(map[string]any)["sectionId"] = grade1A
	got = h.bulk(batch)
	assert.Equal(t, http.StatusBadRequest, got.Status, "what can never be admitted outweighs what is only taken")
	assert.ElementsMatch(t, append(conflicts, fault{"students[70].sectionId", "reference"}), got.faults())
	assert.Equal(t, before, h.digest())
}

func TestBulk_moreThan100AreRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.bulk(batchOf(101))
	assert.Equal(t, http.StatusBadRequest, got.Status)
	assert.Equal(t, []fault{{"students", "maxItems"}}, got.faults())
}

func TestBulk_aHundredTakeAsManyRoundTripsAsOne(t *testing.T) {
	t.Parallel()
	trips := &dbtest.RoundTrips{}
	h := newRoomyHarness(t)
	proxied := newHarnessOn(t, h.db, db.Config{MaxConns: 1, URL: trips.Proxy(t, h.db.URL)})
	proxied.admit(admission("W-1", nil)) // warms the statement cache of the one connection
	require.Equal(t, http.StatusCreated, proxied.bulk(batchOf(1)).Status)

	one := trips.During(func() { proxied.admit(admission("W-2", nil)) })
	hundred := trips.During(func() {
		batch := batchOf(100)[1:]
		require.Equal(t, http.StatusCreated, proxied.bulk(batch).Status)
	})
	t.Logf("round trips, authentication included: one admission %d, ninety-nine %d", one, hundred)
	assert.LessOrEqual(t, hundred, one+5, "large batches may need a few more packets, not more exchanges a student")
	assert.LessOrEqual(t, one, int64(3))
}

func TestAdmit_ofManyWithTheSameNumberAtOnceExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("registrar")
	var created, conflicts atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			body := admission("SAME", func(a map[string]any) { a["firstName"] = fmt.Sprint("Twin ", i) })
			got := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: body})
			switch got.Status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusConflict:
				conflicts.Add(1)
				assert.Equal(t, []fault{{"admissionNumber", "unique"}}, got.faults())
			default:
				t.Errorf("status %d: %s", got.Status, got.Raw)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, created.Load())
	assert.EqualValues(t, 19, conflicts.Load())
	assert.EqualValues(t, 1, h.count("students", "admission_number = 'SAME'"))
	assert.EqualValues(t, 1, h.count("users", "first_name like 'Twin%'"), "no orphans")
}

func TestAdmit_theNationalIDIsNowhereInThePlain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, http.StatusCreated, h.admit(admission("A-1", func(a map[string]any) { a["aadharNumber"] = "432143214321" })).Status)
	assert.Zero(t, h.count("students s", "s::text like '%432143214321%' or position('432143214321'::bytea in s.aadhar_sealed) > 0"))
	again := h.admit(admission("A-2", func(a map[string]any) { a["aadharNumber"] = "432143214321" }))
	assert.Equal(t, []fault{{"aadharNumber", "unique"}}, again.faults())
}

func TestList_theCursorVisitsEveryStudentOnceInEveryOrder(t *testing.T) {
	t.Parallel()
	h := newRoomyHarness(t)
	h.admitMany(60)
	token := h.token("registrar")
	for _, sort := range []string{"name", "admissionNumber", "-createdAt"} {
		seen := map[string]int{}
		path := "/v1/students?limit=7&sort=" + sort
		for pages := 0; path != "" && pages < 100; pages++ {
			got := h.do(call{Method: http.MethodGet, Path: path, Token: token})
			require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
			for i := range got.list("data") {
				seen[got.get("data", i, "id").(string)]++
			}
			path = ""
			if next, ok := got.get("page", "nextCursor").(string); ok {
				path = "/v1/students?limit=7&sort=" + sort + "&cursor=" + next
			}
		}
		assert.Len(t, seen, 360, sort)
		for id, times := range seen {
			assert.Equal(t, 1, times, "%s in order %s", id, sort)
		}
	}
}

func TestList_aCursorIsBoundToFiltersAndOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("registrar")
	cursor := h.do(call{Method: http.MethodGet, Path: "/v1/students?limit=2", Token: token}).get("page", "nextCursor").(string)
	for _, changed := range []string{"&sort=admissionNumber", "&status=active", "&q=a", "&classId=" + grade5} {
		got := h.do(call{Method: http.MethodGet, Path: "/v1/students?cursor=" + cursor + changed, Token: token})
		assert.Equal(t, http.StatusBadRequest, got.Status, changed)
		assert.Equal(t, []fault{{"cursor", "cursor"}}, got.faults())
	}
	got := h.do(call{Method: http.MethodGet, Path: "/v1/students?limit=5&cursor=" + cursor, Token: token})
	assert.Equal(t, http.StatusOK, got.Status, "another limit is fine")
	assert.Nil(t, got.get("page", "page"), "with a cursor there is no page number")
}

func TestList_filtersAndSearchSelect(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, http.StatusCreated, h.admit(admission(`50%_\x`, func(a map[string]any) { a["firstName"] = "Percent" })).Status)
	token := h.token("registrar")
	for query, total := range map[string]int{
		"": 301, "status=withdrawn": 1, "sectionId=" + grade5A: 26, "classId=" + grade5 + "&sectionId=" + grade5A: 26, "institutionId=" + mainCampus: 297,
		"q=" + url.QueryEscape("VERMA"): 1, "q=" + url.QueryEscape("asha  verma "): 1, "q=2026-00": 9, "q=" + url.QueryEscape("%"): 1,
		"q=" + url.QueryEscape("_"): 1, "q=" + url.QueryEscape(`\x`): 1, "q=" + url.QueryEscape("50%_"): 1, "q=nobody": 0,
	} {
		got := h.do(call{Method: http.MethodGet, Path: "/v1/students?" + query, Token: token})
		assert.EqualValues(t, total, got.get("page", "total"), "%s: %s", query, got.Raw)
		assert.Len(t, got.list("data"), min(total, 20), query)
	}
	got := h.do(call{Method: http.MethodGet, Path: "/v1/students?q=" + strings.Repeat("a", 201), Token: token})
	assert.Equal(t, []fault{{"q", "maxLength"}}, got.faults())
}

func TestPatch_nullClearsAbsentStays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	before := h.student(http.MethodGet, "", nil, nil)
	got := h.student(http.MethodPatch, "", map[string]any{"phone": nil, "bloodGroup": nil, "email": nil, "aadharNumber": nil, "dateOfBirth": nil, "gender": "other"},
		map[string]string{"Content-Type": "application/merge-patch+json"})
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	want := before.JSON.(map[string]any)
	for _, cleared := range []string{"phone", "bloodGroup", "email", "aadharNumber", "dateOfBirth"} {
		delete(want, cleared)
	}
	want["gender"], want["updatedAt"] = "other", got.get("updatedAt")
	assert.Equal(t, want, got.JSON)
	assert.EqualValues(t, 1, h.count("students", "id = $1 and aadhar_sealed is null and aadhar_digest is null", asha))
}

func TestPatch_customFieldsMergeNameByNameAndStayBounded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.student(http.MethodPatch, "", `{"customFields":{"bus":null,"house":{"name":"Kaveri"},"n":12345678901234567890}}`, nil)
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	assert.Contains(t, string(got.Raw), `12345678901234567890`, "numbers keep every digit")
	assert.Equal(t, map[string]any{"name": "Kaveri"}, got.get("customFields", "house"))
	assert.NotContains(t, got.get("customFields"), "bus")

	many := map[string]any{}
	for i := range 49 {
		many[fmt.Sprint("field", i)] = i
	}
	got = h.student(http.MethodPatch, "", map[string]any{"customFields": many}, nil)
	assert.Equal(t, []fault{{"customFields", "maxProperties"}}, got.faults(), "the merged object counts")
	got = h.student(http.MethodPatch, "", map[string]any{"customFields": map[string]any{"long": strings.Repeat("x", 17<<10)}}, nil)
	assert.Equal(t, []fault{{"customFields", "maxBytes"}}, got.faults())
	got = h.student(http.MethodPatch, "", `{"customFields":{"a":{"b":{"c":{"d":1}}}}}`, nil)
	assert.Equal(t, []fault{{"customFields", "maxDepth"}}, got.faults())
}

func TestPatch_ifMatchGuardsAgainstLostUpdates(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tag := h.student(http.MethodGet, "", nil, nil).Header.Get("ETag")
	first := h.student(http.MethodPatch, "", map[string]any{"address": "First"}, map[string]string{"If-Match": tag})
	require.Equal(t, http.StatusOK, first.Status)
	assert.NotEqual(t, tag, first.Header.Get("ETag"))
	second := h.student(http.MethodPatch, "", map[string]any{"address": "Second"}, map[string]string{"If-Match": tag})
	assert.Equal(t, http.StatusPreconditionFailed, second.Status)
	assert.Equal(t, "First", h.student(http.MethodGet, "", nil, nil).get("address"))
	for header, status := range map[string]int{"*": 200, `"x", ` + first.Header.Get("ETag"): 200, "W/" + first.Header.Get("ETag"): 412} {
		got := h.student(http.MethodPost, "/withdraw", `{"endedOn":"2026-03-01"}`, map[string]string{"If-Match": header})
		assert.Equal(t, status == 412, got.Status == 412, "%s: %d", header, got.Status)
	}
}

func TestGet_ifNoneMatchAnswers304(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tag := h.student(http.MethodGet, "", nil, nil).Header.Get("ETag")
	for _, header := range []string{tag, "W/" + tag, `"zero", ` + tag, "*"} {
		got := h.student(http.MethodGet, "", nil, map[string]string{"If-None-Match": header})
		assert.Equal(t, http.StatusNotModified, got.Status, header)
		assert.Empty(t, got.Raw)
	}
	assert.Equal(t, http.StatusOK, h.student(http.MethodGet, "", nil, map[string]string{"If-None-Match": `"zero"`}).Status)
}

func TestEnrollment_historyStaysThroughTransferAndWithdrawal(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	moved := h.student(http.MethodPost, "/transfer", map[string]any{"academicYearId": year2026, "classId": grade1, "sectionId": grade1A, "startedOn": "2026-08-01"}, nil)
	require.Equal(t, http.StatusOK, moved.Status, "%s", moved.Raw)
	early := h.student(http.MethodPost, "/transfer", map[string]any{"academicYearId": year2026, "classId": grade5, "sectionId": grade5A, "startedOn": "2026-07-01"}, nil)
	assert.Equal(t, []fault{{"startedOn", "order"}}, early.faults())
	left := h.student(http.MethodPost, "/withdraw", map[string]any{"endedOn": "2026-09-01", "reason": "Moved"}, nil)
	require.Equal(t, http.StatusOK, left.Status, "%s", left.Raw)
	assert.Nil(t, left.get("enrollment"))
	assert.Equal(t, http.StatusConflict, h.student(http.MethodPost, "/withdraw", "{}", nil).Status)
	back := h.student(http.MethodPost, "/transfer", map[string]any{"academicYearId": year2026, "classId": grade5, "sectionId": grade5A, "startedOn": "2026-10-01"}, nil)
	require.Equal(t, http.StatusOK, back.Status, "%s", back.Raw)
	assert.Equal(t, "active", back.get("status"))

	history := h.student(http.MethodGet, "/enrollments", nil, nil)
	require.Len(t, history.list("data"), 3)
	for i, want := range []string{"active", "withdrawn", "transferred"} {
		assert.Equal(t, want, history.get("data", i, "status"))
	}
	assert.Equal(t, "2026-08-01", history.get("data", 2, "endedOn"))
}

func TestGuardians_replacingKeepsTheSignInOfWhoStays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := map[string]any{"guardians": []any{
		map[string]any{"firstName": "Arun", "lastName": "Verma", "relationship": "father", "isPrimary": true},
		map[string]any{"id": "01900000-0000-7000-8000-000000000801", "firstName": "Sunita", "lastName": "Verma", "relationship": "mother"},
	}}
	got := h.student(http.MethodPut, "/guardians", body, nil)
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	assert.Equal(t, "Arun", got.get("data", 0, "firstName"))
	assert.EqualValues(t, 1, h.count("guardians", "id = '01900000-0000-7000-8000-000000000801' and user_id is not null"))

	twoPrimaries := map[string]any{"guardians": []any{
		map[string]any{"firstName": "A", "lastName": "B", "relationship": "other", "isPrimary": true},
		map[string]any{"firstName": "C", "lastName": "D", "relationship": "other", "isPrimary": true},
	}}
	got = h.student(http.MethodPut, "/guardians", twoPrimaries, nil)
	assert.Equal(t, []fault{{"guardians[1].isPrimary", "unique"}}, got.faults())

	require.Equal(t, http.StatusOK, h.student(http.MethodPut, "/guardians", `{"guardians":[]}`, nil).Status)
	assert.Zero(t, h.count("guardians", "first_name = 'Arun'"), "a guardian of nobody is not kept")
	assert.EqualValues(t, 1, h.count("guardians", "id = '01900000-0000-7000-8000-000000000801'"), "one with a sign-in is")
}
