package server_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever is asked of the service, in whatever order, a student has one open enrollment at most, enrollments do not
// overlap, and the status says whether one is open.
func TestEnrollment_historyHoldsThroughAnyRequests(t *testing.T) {
	t.Parallel()
	h := newRoomyHarness(t)
	token := h.token("registrar")
	var students, refused, done atomic.Int64
	rapid.Check(t, func(r *rapid.T) {
		day := func(name string) string {
			return time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 200).Draw(r, name)).Format(time.DateOnly)
		}
		admitted := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: admission(fmt.Sprint("H-", students.Add(1)), func(a map[string]any) {
			a["admissionDate"] = day("admitted")
			delete(a, "guardians")
		})})
		require.Equal(t, http.StatusCreated, admitted.Status, "%s", admitted.Raw)
		path := "/v1/students/" + admitted.get("id").(string)
		for range rapid.IntRange(1, 5).Draw(r, "requests") {
			operation, body := "/withdraw", map[string]any{"endedOn": day("ended")}
			if rapid.Bool().Draw(r, "transfer") {
				operation = "/transfer"
				section := rapid.SampledFrom([]string{grade5A, grade5B}).Draw(r, "section")
				body = map[string]any{"academicYearId": year2026, "classId": grade5, "sectionId": section, "startedOn": day("started")}
			}
			got := h.do(call{Method: http.MethodPost, Path: path + operation, Token: token, Body: body})
			require.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusConflict}, got.Status, "%s", got.Raw)
			if got.Status == http.StatusOK {
				done.Add(1)
			} else {
				refused.Add(1)
			}
			assertHistory(t, h.do(call{Method: http.MethodGet, Path: path, Token: token}), h.do(call{Method: http.MethodGet, Path: path + "/enrollments", Token: token}))
		}
	})
	t.Logf("%d students: %d changes, %d refused", students.Load(), done.Load(), refused.Load())
	assert.Positive(t, refused.Load())
}

// assertHistory reads the enrollments from the latest to the first.
func assertHistory(t *testing.T, student, enrollments answer) {
	t.Helper()
	open := 0
	began := "9999"
	for i := range enrollments.list("data") {
		row := func(name string) string { text, _ := enrollments.get("data", i, name).(string); return text }
		if row("status") == "active" {
			open++
			require.Empty(t, row("endedOn"))
			require.Zero(t, i, "the open one is the latest")
			began = row("startedOn")
			continue
		}
		require.NotEmpty(t, row("endedOn"))
		require.LessOrEqual(t, row("startedOn"), row("endedOn"))
		require.LessOrEqual(t, row("endedOn"), began, "one begins when the one before has ended")
		began = row("startedOn")
	}
	require.LessOrEqual(t, open, 1)
	require.Equal(t, open == 1, student.get("status") == "active")
	require.Equal(t, open == 1, student.get("enrollment") != nil)
}
