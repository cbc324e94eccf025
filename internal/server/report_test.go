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
)

// The test ideas of the production-hardening report, each by its name there, on the real service and database.

// admission is a good one; edit changes a copy.
func admission(number string, edit func(map[string]any)) map[string]any {
	a := map[string]any{
		"firstName": "Diya", "lastName": "D'Souza", "admissionNumber": number, "institutionId": mainCampus,
		"academicYearId": year2026, "classId": grade5, "sectionId": grade5A, "admissionDate": "2026-06-01",
		"guardians": []any{
			map[string]any{"firstName": "Maria", "lastName": "D'Souza", "relationship": "mother", "isPrimary": true},
			map[string]any{"firstName": "Peter", "lastName": "D'Souza", "relationship": "father"},
		},
	}
	if edit != nil {
		edit(a)
	}
	return a
}

func (h *harness) admit(body any) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodPost, Path: "/v1/students", Token: h.token("registrar"), Body: body})
}

func TestReport_validInputCreatesTheStudentWithEverything(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.admit(admission("R-1", func(a map[string]any) {
		a["email"], a["aadharNumber"], a["rollNumber"] = "Diya@Example.org", "123412341234", 31
	}))
	require.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
	id := got.get("id").(string)
	assert.Equal(t, "/v1/students/"+id, got.Header.Get("Location"))
	assert.Equal(t, `"1"`, got.Header.Get("ETag"))
	assert.Equal(t, "diya@example.org", got.get("email"))
	assert.Equal(t, "XXXXXXXX1234", got.get("aadharNumber"))
	assert.Equal(t, grade5A, got.get("enrollment", "sectionId"))

	read := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + id, Token: h.token("registrar")})
	assert.Equal(t, got.JSON, read.JSON)
	guardians := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + id + "/guardians", Token: h.token("registrar")})
	assert.Equal(t, "Maria", guardians.get("data", 0, "firstName"))
	assert.Len(t, guardians.list("data"), 2)
}

func TestReport_missingRequiredFieldIsA400ThatNamesIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, field := range []string{"firstName", "lastName", "admissionNumber", "institutionId", "academicYearId", "classId", "sectionId"} {
		got := h.admit(admission("R-2", func(a map[string]any) { delete(a, field) }))
		assert.Equal(t, http.StatusBadRequest, got.Status)
		assert.Equal(t, []fault{{field, "required"}}, got.faults())
	}
}

func TestReport_invalidEmailIsA400ThatSaysInvalidEmail(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.admit(admission("R-3", func(a map[string]any) { a["email"] = "diya at example" }))
	assert.Equal(t, http.StatusBadRequest, got.Status)
	assert.Equal(t, "email", got.get("errors", 0, "field"))
	assert.Equal(t, "Invalid email", got.get("errors", 0, "message"))
}

func TestReport_limitAbove100IsCappedTo100(t *testing.T) {
	t.Parallel()
	h := newRoomyHarness(t)
	h.admitMany(100)
	got := h.do(call{Method: http.MethodGet, Path: "/v1/students?limit=500", Token: h.token("registrar")})
	require.Equal(t, http.StatusOK, got.Status)
	assert.Len(t, got.list("data"), 100)
	assert.EqualValues(t, 100, got.get("page", "limit"))
	assert.EqualValues(t, 400, got.get("page", "total"))
}

// admitMany admits n students in one bulk request.
func (h *harness) admitMany(n int) {
	h.t.Helper()
	got := h.do(call{Method: http.MethodPost, Path: "/v1/students/bulk", Token: h.token("registrar"), Body: map[string]any{"students": batchOf(n)}})
	require.Equal(h.t, http.StatusCreated, got.Status, "%s", got.Raw)
}

func batchOf(n int) []any {
	batch := make([]any, n)
	for i := range batch {
		batch[i] = admission(fmt.Sprintf("B-%03d", i), func(a map[string]any) { a["email"] = fmt.Sprintf("b%03d@example.org", i) })
	}
	return batch
}

func TestReport_markupInANameIsRemoved(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.admit(admission("R-5", func(a map[string]any) { a["firstName"] = "<script>alert(1)</script>Asha" }))
	require.Equal(t, http.StatusCreated, got.Status)
	assert.Equal(t, "Asha", got.get("firstName"))
	assert.EqualValues(t, 1, h.count("users", "id = $1 and first_name = 'Asha'", got.get("userId")))
}

func TestReport_namesOfAllScriptsSurviveUnharmed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for i, name := range []string{"O'Brien", "D'Souza & Sons", "José", "李雷", "ஆஷா", "क्षितिज"} {
		got := h.admit(admission(fmt.Sprintf("R-6-%d", i), func(a map[string]any) { a["firstName"] = name }))
		require.Equal(t, http.StatusCreated, got.Status)
		assert.Equal(t, name, got.get("firstName"))
	}
	got := h.admit(admission("R-6-x", func(a map[string]any) { a["firstName"] = "Jose\u0301" }))
	assert.Equal(t, "Jos\u00e9", got.get("firstName"), "a decomposed name is stored composed")
}

func TestReport_successWritesAllRecords(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.admit(admission("R-7", nil))
	require.Equal(t, http.StatusCreated, got.Status)
	id := got.get("id")
	assert.EqualValues(t, 1, h.count("users", "id = $1", got.get("userId")))
	assert.EqualValues(t, 1, h.count("students", "id = $1", id))
	assert.EqualValues(t, 1, h.count("enrollments", "student_id = $1", id))
	assert.EqualValues(t, 2, h.count("student_guardians l join "+h.schema()+".guardians g on g.id = l.guardian_id", "l.student_id = $1", id))
}

func TestReport_failureAtALaterStepLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	// Real constraints, one a table: users are written first, then students, enrollments, guardians.
	for table, condition := range map[string]string{
		"students": "admission_number <> 'R-8'", "enrollments": "roll_number is distinct from 77", "guardians": "last_name <> 'D''Souza'",
	} {
		h.db.Exec(t, `alter table `+h.schema()+`.`+table+` add constraint `+table+`_breaks_check check (`+condition+`)`)
		before := h.digest()
		got := h.admit(admission("R-8", func(a map[string]any) { a["rollNumber"] = 77 }))
		assert.Equal(t, http.StatusBadRequest, got.Status, "%s", got.Raw)
		assert.Equal(t, before, h.digest(), "%s: something was left behind", table)
		h.db.Exec(t, `alter table `+h.schema()+`.`+table+` drop constraint `+table+`_breaks_check`)
	}
}

func TestReport_timeoutAbortsWithNothingWrittenAnd503(t *testing.T) {
	t.Parallel()
	h := newHarnessWith(t, db.Config{MaxConns: 2, Timeout: 2 * time.Second, LockTimeout: 10 * time.Second})
	blocker := h.db.Conn(t)
	_, err := blocker.Exec(t.Context(), `begin; lock table `+h.schema()+`.enrollments in share mode`)
	require.NoError(t, err)
	before := h.digest()
	got := h.admit(admission("R-9", nil))
	assert.Equal(t, http.StatusServiceUnavailable, got.Status, "%s", got.Raw)
	assert.NotEmpty(t, got.Header.Get("Retry-After"))
	_, err = blocker.Exec(t.Context(), `rollback`)
	require.NoError(t, err)
	assert.Equal(t, before, h.digest())
	assert.Equal(t, http.StatusCreated, h.admit(admission("R-9", nil)).Status, "the service goes on afterwards")
}

func TestReport_deadlockIsRetriedAndBothSucceed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	// Two bulk admissions touch two classes in opposite order: a trigger updates the class of each new enrollment, and
	// lets nobody on to the second before both have the first. A sequence counts who has come, since it is seen at once
	// by everybody.
	h.db.Exec(t, `create sequence `+h.schema()+`.arrivals`)
	h.db.Exec(t, `create function `+h.schema()+`.touch() returns trigger language plpgsql security definer as $$
		begin
			update `+h.schema()+`.classes set updated_at = now() where id = new.class_id;
			perform nextval('`+h.schema()+`.arrivals');
			while (select last_value from `+h.schema()+`.arrivals) < 2 loop
				perform pg_sleep(0.01);
			end loop;
			return new;
		end $$`)
	h.db.Exec(t, `create trigger touch after insert on `+h.schema()+`.enrollments for each row execute function `+h.schema()+`.touch()`)
	forward := []any{admission("D-1", nil), admission("D-2", intoGrade1)}
	backward := []any{admission("D-3", intoSection(grade1, grade1B)), admission("D-4", intoSection(grade5, grade5B))} // sections are locked in one order
	token := h.token("registrar")
	var both sync.WaitGroup
	for _, batch := range [][]any{forward, backward} {
		both.Go(func() {
			got := h.do(call{Method: http.MethodPost, Path: "/v1/students/bulk", Token: token, Body: map[string]any{"students": batch}})
			assert.Equal(t, http.StatusCreated, got.Status, "%s", got.Raw)
		})
	}
	both.Wait()
	assert.EqualValues(t, 4, h.count("students", "admission_number like 'D-%'"))
	deadlocks := `select deadlocks from pg_stat_database where datname = current_database()`
	require.Eventually(t, func() bool { return valueOf(t, h, deadlocks) > 0 }, 10*time.Second, 50*time.Millisecond, "no deadlock happened: the test shows nothing")
}

func intoGrade1(a map[string]any) { intoSection(grade1, grade1A)(a) }

func intoSection(class, section string) func(map[string]any) {
	return func(a map[string]any) { a["classId"], a["sectionId"] = class, section }
}
