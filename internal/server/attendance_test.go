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
	"github.com/rollcall-erp/rollcall/internal/seed"
)

const (
	lake5A  = "01900000-0000-7000-8000-000000000406"
	tuesday = "2026-10-06" // a school day of which the demo has no registers
)

// registerPath is the register of a section and day.
func registerPath(section, day string) string {
	return "/v1/sections/" + section + "/attendance/" + day
}

// marksOf are the marks of students, all of one status; note may be empty.
func marksOf(status, note string, students ...string) map[string]any {
	marks := make([]any, len(students))
	for i, student := range students {
		mark := map[string]any{"studentId": student, "status": status}
		if note != "" {
			mark["note"] = note
		}
		marks[i] = mark
	}
	return map[string]any{"marks": marks}
}

// grade5AStudents are the first three of six to nineteen more.
var grade5AStudents = []string{demoRow(601), demoRow(602), demoRow(603)}

func (h *harness) mark(user, section, day string, body any, header map[string]string) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodPut, Path: registerPath(section, day), Token: h.tokenIn(seed.DemoTenant, demoUsers[user], time.Hour), Body: body, Header: header})
}

// statuses are the marks of a register by student, the unmarked ones left out.
func (a answer) statuses() map[string]string {
	found := map[string]string{}
	for i := range a.list("marks") {
		if status, marked := a.get("marks", i, "status").(string); marked {
			found[a.get("marks", i, "studentId").(string)] = status
		}
	}
	return found
}

func TestRegister_isTakenByTheTeacherAndCorrectedByTheOfficeAndBothAreKept(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	path := registerPath(grade5A, tuesday)
	untaken := h.as(demoUsers["teacher"], http.MethodGet, path, nil)
	assert.Equal(t, []any{false, 25, `"0"`}, []any{untaken.get("isTaken"), len(untaken.list("marks")), untaken.Header.Get("ETag")})

	taken := h.mark("teacher", grade5A, tuesday, marksOf("absent", "", grade5AStudents...), map[string]string{"If-Match": `"0"`})
	require.Equal(t, http.StatusOK, taken.Status, "%s", taken.Raw)
	assert.Equal(t, `"1"`, taken.Header.Get("ETag"))
	assert.Equal(t, demoUsers["teacher"], taken.get("takenBy"))
	assert.Len(t, taken.statuses(), 3)

	corrected := h.mark("registrar", grade5A, tuesday, marksOf("late", "The bus", demoRow(602)), nil)
	require.Equal(t, http.StatusOK, corrected.Status, "%s", corrected.Raw)
	assert.Equal(t, map[string]string{demoRow(601): "absent", demoRow(602): "late", demoRow(603): "absent"}, corrected.statuses(), "who is not listed keeps the mark")
	assert.Equal(t, []any{demoUsers["teacher"], demoUsers["registrar"]}, []any{corrected.get("takenBy"), corrected.get("updatedBy")})
	assert.Equal(t, []any{demoUsers["registrar"], 1.0, "The bus"}, []any{corrected.get("marks", 1, "markedBy"), corrected.get("marks", 1, "corrections"), corrected.get("marks", 1, "note")})
	assert.Equal(t, []any{demoUsers["teacher"], 0.0, nil}, []any{corrected.get("marks", 0, "markedBy"), corrected.get("marks", 0, "corrections"), corrected.get("marks", 0, "note")})

	again := h.mark("admin", grade5A, tuesday, marksOf("late", "The bus", demoRow(602)), nil)
	assert.Equal(t, demoUsers["registrar"], again.get("marks", 1, "markedBy"), "a mark that stays as it is keeps its author")
	h.mark("admin", grade5A, tuesday, marksOf("excused", "", demoRow(602)), nil)

	history := h.as(demoUsers["teacher"], http.MethodGet, path+"/corrections", nil)
	require.Len(t, history.list("data"), 2, "%s", history.Raw)
	for i, want := range []struct{ before, after, markedBy, correctedBy string }{
		{"late", "excused", demoUsers["registrar"], demoUsers["admin"]}, {"absent", "late", demoUsers["teacher"], demoUsers["registrar"]},
	} {
		row := func(path ...any) any { return history.get(append([]any{"data", i}, path...)...) }
		assert.Equal(t, []any{demoRow(602), want.before, want.after, want.markedBy, want.correctedBy},
			[]any{row("studentId"), row("before", "status"), row("after", "status"), row("markedBy"), row("correctedBy", "userId")})
	}
	first := h.as(demoUsers["teacher"], http.MethodGet, path+"/corrections?limit=1", nil)
	second := h.as(demoUsers["teacher"], http.MethodGet, path+"/corrections?limit=1&cursor="+first.get("page", "nextCursor").(string), nil)
	assert.Equal(t, []any{history.get("data", 0), history.get("data", 1)}, []any{first.get("data", 0), second.get("data", 0)})
}

func TestRegister_ifNoneMatchAnswers304AndAStaleIfMatch412(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	taken := h.mark("teacher", grade5A, tuesday, marksOf("present", "", grade5AStudents...), nil)
	tag := taken.Header.Get("ETag")
	read := call{Method: http.MethodGet, Path: registerPath(grade5A, tuesday), Token: h.token("teacher"), Header: map[string]string{"If-None-Match": tag}}
	assert.Equal(t, http.StatusNotModified, h.do(read).Status)
	require.Equal(t, http.StatusOK, h.mark("teacher", grade5A, tuesday, marksOf("late", "", demoRow(601)), map[string]string{"If-Match": tag}).Status)
	assert.Equal(t, http.StatusOK, h.do(read).Status)
	before := h.digest()
	assert.Equal(t, http.StatusPreconditionFailed, h.mark("teacher", grade5A, tuesday, marksOf("absent", "", demoRow(601)), map[string]string{"If-Match": tag}).Status)
	assert.Equal(t, before, h.digest())
}

// Whoever wins, the register is as one of the two has sent it, and the loser is told.
func TestRegister_ofTwoWhoSaveAtOnceOneWinsAndNothingIsMixed(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, db.Config{MaxConns: 6})
	h.db.Exec(t, `update `+h.schema()+`.sections set capacity = 1000`)
	students := dbtest.Values[string](t, h.db, `select student_id::text from `+h.schema()+`.enrollments where section_id = '`+grade5A+`'`)
	tokens := map[string]string{"late": h.token("teacher"), "absent": h.token("registrar")}
	lost := map[int]int{}
	for round := range 40 {
		header := map[string]string{}
		if round%2 == 0 {
			header["If-Match"] = h.as(demoUsers["admin"], http.MethodGet, registerPath(grade5A, tuesday), nil).Header.Get("ETag")
		}
		answers := map[string]answer{}
		var mu sync.Mutex
		var both sync.WaitGroup
		for status, token := range tokens {
			both.Go(func() {
				got := h.do(call{Method: http.MethodPut, Path: registerPath(grade5A, tuesday), Token: token, Body: marksOf(status, fmt.Sprint("Round ", round), students...), Header: header})
				mu.Lock()
				defer mu.Unlock()
				answers[status] = got
			})
		}
		both.Wait()
		now := h.as(demoUsers["admin"], http.MethodGet, registerPath(grade5A, tuesday), nil).statuses()
		require.Len(t, now, len(students))
		seen := map[string]bool{}
		for _, status := range now {
			seen[status] = true
		}
		require.Len(t, seen, 1, "a mixture: %v", now)
		winners := 0
		for status, got := range answers {
			if got.Status == http.StatusOK {
				winners++
				require.Len(t, got.statuses(), len(students))
				require.Equal(t, status, got.statuses()[students[0]], "the answer shows what this one has saved")
			} else {
				lost[got.Status]++
			}
		}
		require.Positive(t, winners)
		if round%2 == 0 {
			require.Equal(t, 1, winners, "with If-Match exactly one wins")
		}
	}
	assert.Equal(t, 20, lost[http.StatusPreconditionFailed])
	for status := range lost {
		assert.Contains(t, []int{http.StatusPreconditionFailed, http.StatusConflict}, status)
	}
	t.Logf("40 rounds of two who save at once: lost with 412 %d, with 409 %d; no mixture", lost[http.StatusPreconditionFailed], lost[http.StatusConflict])
}

func TestRegister_isForThoseWhoMayAndSee(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := marksOf("present", "", demoRow(607))
	assert.Equal(t, http.StatusNotFound, h.mark("teacher", grade5B, tuesday, body, nil).Status, "not the teacher's section")
	assert.Equal(t, http.StatusForbidden, h.mark("guardian", grade5A, tuesday, body, nil).Status)
	assert.Equal(t, http.StatusOK, h.mark("registrar", grade5B, tuesday, body, nil).Status)

	own := h.as(demoUsers["guardian"], http.MethodGet, registerPath(grade5A, "2026-09-30"), nil)
	require.Len(t, own.list("marks"), 1, "a guardian sees the own child alone")
	assert.Equal(t, asha, own.get("marks", 0, "studentId"))
	summary := h.as(demoUsers["guardian"], http.MethodGet, "/v1/attendance/summary?from=2026-09-30&to=2026-09-30", nil)
	assert.EqualValues(t, 1, summary.get("counts", "present"))
}

func TestRegister_theFutureIsWhereTheInstitutionIs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.db.Exec(t, `update `+h.schema()+`.institutions set working_days = '{monday,tuesday,wednesday,thursday,friday,saturday,sunday}'`)
	h.db.Exec(t, `delete from `+h.schema()+`.terms; delete from `+h.schema()+`.holidays`)
	h.db.Exec(t, `update `+h.schema()+`.academic_years set end_date = '2999-12-31'`)
	east, err := time.LoadLocation("Pacific/Kiritimati") // always a day ahead of the west
	require.NoError(t, err)
	day := time.Now().In(east).Format(time.DateOnly)
	for zone, want := range map[string][]fault{"Pacific/Kiritimati": {}, "Etc/GMT+12": {{"date", "future"}}} {
		h.db.Exec(t, `update `+h.schema()+`.institutions set time_zone = $1`, zone)
		got := h.mark("registrar", grade5A, day, marksOf("present", "", demoRow(601)), nil)
		assert.Equal(t, want, got.faults(), "%s: %s", zone, got.Raw)
	}
}

func TestRegister_aStudentOfAnotherDayOrSectionIsNamed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	late := h.admit(admission("L-1", func(a map[string]any) { a["admissionDate"] = "2026-10-07" }))
	require.Equal(t, http.StatusCreated, late.Status, "%s", late.Raw)
	id := late.get("id").(string)
	got := h.mark("registrar", grade5A, tuesday, marksOf("present", "", demoRow(601), id, demoRow(607)), nil)
	assert.Equal(t, http.StatusBadRequest, got.Status)
	assert.Equal(t, []fault{{"marks[1].studentId", "notEnrolled"}, {"marks[2].studentId", "reference"}}, got.faults())
	assert.Equal(t, "/marks/2/studentId", got.get("errors", 1, "pointer"))
	assert.Equal(t, http.StatusOK, h.mark("registrar", grade5A, "2026-10-07", marksOf("present", "", id), nil).Status)

	// On the day of a transfer the next section marks, unless the former one has.
	move := func(student, to string) {
		got := h.do(call{Method: http.MethodPost, Path: "/v1/students/" + student + "/transfer", Token: h.token("registrar"), Body: map[string]any{
			"academicYearId": year2026, "classId": grade5, "sectionId": to, "startedOn": "2026-10-07",
		}})
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	}
	move(id, grade5B)
	move(demoRow(601), grade5B)
	got = h.mark("registrar", grade5B, "2026-10-07", marksOf("present", "", id, demoRow(601)), nil)
	assert.Equal(t, []fault{{"marks[0].studentId", "unique"}}, got.faults(), "%s", got.Raw)
	assert.Equal(t, http.StatusOK, h.mark("registrar", grade5B, "2026-10-07", marksOf("present", "", demoRow(601)), nil).Status)
	former := h.as(demoUsers["registrar"], http.MethodGet, registerPath(grade5A, "2026-10-07"), nil)
	assert.Equal(t, map[string]string{id: "present"}, former.statuses())
}

func TestRegister_manyMarksTakeAsManyRoundTripsAsOne(t *testing.T) {
	t.Parallel()
	trips := &dbtest.RoundTrips{}
	h := newHarness(t)
	proxied := newHarnessOn(t, h.db, db.Config{MaxConns: 1, URL: trips.Proxy(t, h.db.URL)})
	students := dbtest.Values[string](t, h.db, `select student_id::text from `+h.schema()+`.enrollments where section_id = '`+grade5A+`'`)
	for range 2 { // then all statements are known
		require.Equal(t, http.StatusOK, proxied.mark("teacher", grade5A, tuesday, marksOf("present", "", students...), nil).Status)
	}
	one := trips.During(func() { proxied.mark("teacher", grade5A, tuesday, marksOf("late", "", students[0]), nil) })
	all := trips.During(func() { proxied.mark("teacher", grade5A, tuesday, marksOf("absent", "", students...), nil) })
	t.Logf("round trips, authentication included: one mark %d, %d marks %d", one, len(students), all)
	assert.LessOrEqual(t, all, one+2)
	assert.LessOrEqual(t, one, int64(4))
}

func TestAttendance_ofAStudentAndInSummaryAgree(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const between = "from=2026-06-01&to=2026-09-30"
	total := map[string]int{}
	count := func(a answer, status string) int { return int(a.get("counts", status).(float64)) }
	for path := "/v1/students/" + asha + "/attendance?limit=50&" + between; path != ""; {
		got := h.as(demoUsers["guardian"], http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
		for i := range got.list("data") {
			total[got.get("data", i, "status").(string)]++
		}
		next, more := got.get("page", "nextCursor").(string)
		path = "/v1/students/" + asha + "/attendance?limit=50&" + between + "&cursor=" + next
		if !more {
			path = ""
			for status, n := range total {
				assert.Equal(t, n, count(got, status), "the counts are those of all pages")
			}
		}
	}
	own := h.as(demoUsers["guardian"], http.MethodGet, "/v1/attendance/summary?"+between, nil)
	for status, n := range total {
		assert.Equal(t, n, count(own, status), status)
	}
	for filter, where := range map[string]string{
		"": "true", "institutionId=" + mainCampus: "institution_id = '" + mainCampus + "'", "sectionId=" + grade5A: "section_id = '" + grade5A + "'",
		"classId=" + grade5: "section_id in ('" + grade5A + "', '" + grade5B + "')", "classId=" + grade5 + "&sectionId=" + grade1A: "false",
	} {
		got := h.as(demoUsers["admin"], http.MethodGet, "/v1/attendance/summary?"+between+"&"+filter, nil)
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
		for _, status := range []string{"present", "absent", "late", "excused"} {
			assert.EqualValues(t, h.count("attendance_marks", where+" and status = $1", status), got.get("counts", status), "%s %s", filter, status)
		}
	}
}

func TestMissing_areSectionsWithSchoolStudentsAndNoRegister(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	missing := func(user, query string) int {
		got := h.as(demoUsers[user], http.MethodGet, "/v1/attendance/missing?"+query, nil)
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
		return int(got.get("page", "total").(float64))
	}
	assert.Equal(t, 13, missing("admin", "date="+tuesday), "all but the section without students")
	assert.Equal(t, 2, missing("teacher", "date="+tuesday))
	assert.Equal(t, 2, missing("admin", "date="+tuesday+"&classId="+grade5))
	require.Equal(t, http.StatusOK, h.mark("teacher", grade5A, tuesday, marksOf("present", "", asha), nil).Status)
	assert.Equal(t, 1, missing("teacher", "date="+tuesday))
	for name, day := range map[string]string{
		"taken": "2026-09-30", "a holiday": "2026-08-28", "a sunday": "2026-09-27", "between the terms": "2026-10-01", "no year": "2020-01-01", "the future": "2999-01-01",
	} {
		assert.Zero(t, missing("admin", "date="+day), name)
	}
	var names []string
	for path := "/v1/attendance/missing?limit=5&date=" + tuesday; path != ""; {
		got := h.as(demoUsers["admin"], http.MethodGet, path, nil)
		for i := range got.list("data") {
			names = append(names, got.get("data", i, "className").(string)+got.get("data", i, "sectionName").(string))
		}
		next, more := got.get("page", "nextCursor").(string)
		path = "/v1/attendance/missing?limit=5&date=" + tuesday + "&cursor=" + next
		if !more {
			path = ""
		}
	}
	assert.Equal(t, []string{
		"Grade 1A", "Grade 1B", "Grade 2A", "Grade 3A", "Grade 4A", "Grade 5A", "Grade 5B", "Grade 6A", "Grade 7A", "Grade 8A", "Grade 9A", "Grade 10A",
	}, names, "by grade; Grade 5 A of the other campus is the one that is left")
}
