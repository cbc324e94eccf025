package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// places leaves so many places in a section.
func (h *harness) places(section string, free int) {
	h.t.Helper()
	h.db.Exec(h.t, `update `+h.schema()+`.sections set capacity = $2 + (select count(*) from `+h.schema()+`.enrollments where section_id = $1 and status = 'active') where id = $1`, section, free)
}

func (h *harness) taken(section string) int64 {
	h.t.Helper()
	return h.count("enrollments", "section_id = $1 and status = 'active'", section)
}

func TestCapacity_ofManyWhoWantTheLastPlaceExactlyOneGetsIt(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, db.Config{MaxConns: 10})
	token := h.token("registrar")
	for round := range 5 {
		h.places(grade5A, 1)
		before := h.taken(grade5A)
		statuses := map[int]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				body := admission(fmt.Sprintf("C-%d-%d", round, i), nil)
				got := h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: token, Body: body})
				mu.Lock()
				defer mu.Unlock()
				statuses[got.Status]++
				if got.Status == http.StatusConflict {
					assert.Equal(t, []fault{{"sectionId", "capacity"}}, got.faults())
				}
			})
		}
		all.Wait()
		assert.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 11}, statuses)
		assert.Equal(t, before+1, h.taken(grade5A))
	}
}

func TestCapacity_ofABatchNamesThoseWhoDoNotFit(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.places(grade5A, 2)
	before := h.digest()
	got := h.bulk([]any{admission("C-1", nil), admission("C-2", intoGrade1), admission("C-3", nil), admission("C-4", nil), admission("C-5", nil)})
	assert.Equal(t, http.StatusConflict, got.Status, "%s", got.Raw)
	assert.Equal(t, []fault{{"students[3].sectionId", "capacity"}, {"students[4].sectionId", "capacity"}}, got.faults())
	assert.Equal(t, before, h.digest())
	assert.Equal(t, http.StatusCreated, h.bulk([]any{admission("C-1", nil), admission("C-2", intoGrade1), admission("C-3", nil)}).Status)
}

func TestCapacity_isOverbookedByAWishAndAPermission(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.places(grade5A, 0)
	wish := func(number string) map[string]any {
		return admission(number, func(a map[string]any) { a["overbook"] = true })
	}
	admin := func(body any) answer { return h.as(demoUsers["admin"], http.MethodPost, "/v1/students", body) }
	assert.Equal(t, []fault{{"sectionId", "capacity"}}, admin(admission("C-1", nil)).faults(), "the permission without the wish")
	assert.Equal(t, http.StatusForbidden, h.admit(wish("C-2")).Status, "the wish without the permission")
	assert.Equal(t, http.StatusCreated, admin(wish("C-3")).Status)
	bulk := map[string]any{"students": []any{wish("C-4"), admission("C-5", nil)}}
	assert.Equal(t, []fault{{"students[1].sectionId", "capacity"}}, h.as(demoUsers["admin"], http.MethodPost, "/v1/students/bulk", bulk).faults())

	elsewhere := h.userWith(assigned{role: "admin", institution: lakeCampus}, assigned{role: "registrar"})
	assert.Equal(t, http.StatusForbidden, h.as(elsewhere, http.MethodPost, "/v1/students", wish("C-6")).Status, "held in another institution only")
}

func TestCapacity_holdsForTransfers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.places(grade5A, 0)
	h.places(grade5B, 0)
	move := func(user, section string, overbook bool) answer {
		body := map[string]any{"academicYearId": year2026, "classId": grade5, "sectionId": section, "rollNumber": 99, "startedOn": "2026-10-07", "overbook": overbook}
		return h.as(demoUsers[user], http.MethodPost, "/v1/students/"+asha+"/transfer", body)
	}
	got := move("registrar", grade5B, false)
	assert.Equal(t, http.StatusConflict, got.Status)
	assert.Equal(t, []fault{{"sectionId", "capacity"}}, got.faults())
	assert.Equal(t, http.StatusForbidden, move("registrar", grade5B, true).Status)
	assert.Equal(t, http.StatusOK, move("registrar", grade5A, false).Status, "nobody stands in their own way")
	assert.Equal(t, http.StatusOK, move("admin", grade5B, true).Status)
	assert.Equal(t, http.StatusCreated, h.admit(admission("C-1", nil)).Status, "who has left makes room")
}

// Only admissions into the same section wait for one another.
func TestCapacity_admissionsIntoOtherSectionsDoNotWait(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, db.Config{MaxConns: 4})
	blocker := h.db.Conn(t)
	_, err := blocker.Exec(t.Context(), `begin; select from `+h.schema()+`.sections where id = '`+grade5A+`' for no key update`)
	require.NoError(t, err)
	var waiting sync.WaitGroup
	var waited answer
	waiting.Go(func() { waited = h.admit(admission("C-1", nil)) })
	require.Eventually(t, func() bool {
		return dbtest.Value[bool](t, h.db, `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`)
	}, 20*time.Second, 10*time.Millisecond)
	assert.Equal(t, http.StatusCreated, h.admit(admission("C-2", intoGrade1)).Status)
	_, err = blocker.Exec(t.Context(), `rollback`)
	require.NoError(t, err)
	waiting.Wait()
	assert.Equal(t, http.StatusCreated, waited.Status, "%s", waited.Raw)
}
