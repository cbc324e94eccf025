package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// canaries are what is known of one student of the demo, in every column that may hold something personal.
type canaries struct {
	operator

	schema, student string
	words           []string
}

// newCanaries puts words that are nowhere else into every free text, date and list of the rows about a student and the guardian who
// is linked to nobody else, and into those of a second guardian with another child too.
func newCanaries(t *testing.T) canaries {
	t.Helper()
	c := canaries{operator: newOperator(t, newDemo(t))}
	s := startServe(t, "DATABASE_URL="+c.d.URL, "ROLLCALL_JOBS=off", "ROLLCALL_DRAIN_DELAY=0s")
	s.awaitReady()
	body := strings.Replace(newcomer, `{"firstName":"New","lastName":"Comer"`, `{"firstName":"Canaryfirst","lastName":"Canarylast","dateOfBirth":"2015-03-09","email":"canary@child.example",
		"phone":"+91 98765 00017","address":"Canary Row 17","bloodGroup":"AB-","customFields":{"diet":"canaryseed"},
		"guardians":[{"firstName":"Canarymother","lastName":"Canarysurname","relationship":"mother","email":"mother@canary.example","phone":"+91 98765 00018","isPrimary":true}]`, 1)
	status, answer := s.post("/v1/students", s.signIn(), body)
	require.Equal(t, 201, status, answer)
	s.end()
	c.schema = c.schemaOf("demo")
	c.student = dbtest.Value[string](t, c.d, "select id::text from "+c.schema+".students where admission_number = 'KEPT-1'")
	for _, statement := range []string{
		`insert into attendance_registers select (jsonb_populate_record(x.r, jsonb_build_object('section_id', e.section_id, 'date', '2026-06-05'))).* from enrollments e, lateral (select r from attendance_registers r limit 1) x where e.student_id = '%s' on conflict do nothing`,
		`insert into attendance_marks select (jsonb_populate_record(x.m, jsonb_build_object('student_id', e.student_id, 'section_id', e.section_id, 'date', '2026-06-05', 'note', 'Canarynote'))).* from enrollments e, lateral (select m from attendance_marks m limit 1) x where e.student_id = '%s'`,
		`insert into attendance_corrections select m.student_id, m.date, 1, m.section_id, m.institution_id, 'late', 'Canaryold', m.marked_by, now(), 'absent', 'Canarynew', m.marked_by, now() from attendance_marks m where m.student_id = '%s'`,
		`insert into exam_results select (jsonb_populate_record(x.r, jsonb_build_object('student_id', '%s', 'remark', 'Canaryremark'))).* from (select r from exam_results r limit 1) x`,
		`insert into report_cards select (jsonb_populate_record(x.r, jsonb_build_object('student_id', '%s', 'subjects', '[{"subjectName": "Art", "remark": "Canarycard"}]'::jsonb))).* from (select r from report_cards r limit 1) x`,
		`insert into sessions (id, user_id, token_hash, transport, created_at, expires_at, remote_address, user_agent) select gen_random_uuid(), user_id, sha256('x'), 'bearer', now(), now() + interval '1 hour', '203.0.113.77', 'Canarybrowser' from students where id = '%s'`,
	} {
		c.d.Exec(t, "set local search_path to "+c.schema+"; "+fmt.Sprintf(statement, c.student))
	}
	c.words = []string{
		"Canary", "canary", "2015-03-09", "98765 000", "123412341234", "KEPT-1", "203.0.113.77",
	}
	return c
}

// found are the tables that have one of the words.
func (c canaries) found() (tables []string) {
	c.t.Helper()
	for _, table := range dbtest.Values[string](c.t, c.d, "select tablename::text from pg_tables where schemaname = '"+c.schema+"' order by 1") {
		for _, word := range c.words {
			if dbtest.Value[bool](c.t, c.d, "select exists (select from "+c.schema+"."+table+" r where r::text like '%"+word+"%')") {
				tables = append(tables, table)
				break
			}
		}
	}
	return tables
}

func TestStudent_allThatIsKnownIsExported(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	out := c.says(0, "", "student export "+c.student+" --tenant demo")
	var known map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &known))
	for _, text := range []string{
		"Canaryfirst", "Canarylast", "2015-03-09", "canary@child.example", "Canary Row 17", "AB-", "canaryseed", "Canarymother", "mother@canary.example", "Canarynote", "Canaryold", "Canarynew",
		"Canaryremark", "Canarycard", "203.0.113.77", "Canarybrowser",
	} {
		assert.Contains(t, out, text)
	}
	assert.Equal(t, "123412341234", known["nationalId"])
	for _, table := range []string{"students", "users", "guardians", "student_guardians", "enrollments", "audit_events", "attendance_marks", "exam_results", "report_cards", "sessions"} {
		assert.Contains(t, known, table)
	}
	for _, secret := range []string{"password_hash", "token_hash", "aadhar_sealed", "Asha"} {
		assert.NotContains(t, out, secret)
	}
	c.says(1, "There is no student", "student export 01900000-0000-7000-8000-00000000ffff --tenant demo")
	c.says(1, "a UUID", "student export 17 --tenant demo")
}

func TestStudent_erasureLeavesNothingPersonalAndTheTrailHolds(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	require.NotEmpty(t, c.found())
	c.says(0, "done", "jobs run --task seal-audit")
	c.says(1, "is enrolled: withdraw them first", "student erase "+c.student+" --tenant demo --yes")
	c.d.Exec(t, "set local search_path to "+c.schema+"; update enrollments set status = 'withdrawn', ended_on = '2026-07-01', reason = 'Canaryreason' where student_id = '"+c.student+"'; update students set status = 'withdrawn' where id = '"+c.student+"'")
	numbers := func() []int64 {
		var all []int64
		for _, table := range []string{"students", "users", "guardians", "enrollments", "attendance_marks", "exam_results", "report_cards"} {
			all = append(all, dbtest.Value[int64](t, c.d, "select count(*) from "+c.schema+"."+table))
		}
		return all
	}
	before := numbers()
	out, code := run(t, "yes\n", c.env, "student", "erase", c.student, "--tenant", "demo")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "not confirmed")
	c.says(0, "and 1 guardians who are linked to nobody else", "student erase "+c.student+" --tenant demo --yes")
	assert.Empty(t, c.found(), "tables that still know")
	assert.Equal(t, before, numbers(), "numbers stay")
	assert.Zero(t, dbtest.Value[int64](t, c.d, "select count(*) from "+c.schema+".audit_events where resource_id = '"+c.student+"' and before is not null"))
	assert.Equal(t, "operator student erase", dbtest.Value[string](t, c.d,
		"select concat_ws(' ', actor_kind, action) from "+c.schema+".audit_events where resource_id = '"+c.student+"' and after = '{\"erased\": true}'"))
	c.says(0, "of them erased", "audit verify --tenant demo")
	c.says(0, "done", "jobs run --task seal-audit")
	c.says(0, "of them erased", "audit verify --tenant demo")
	c.says(0, "Erased", "student erase "+c.student+" --tenant demo --yes") // once more does no harm
}

func TestStudent_aGuardianWithAnotherChildStays(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	set := "set local search_path to " + c.schema + "; "
	c.d.Exec(t, set+"insert into student_guardians (student_id, guardian_id, relationship, position) select '01900000-0000-7000-8000-000000000601', guardian_id, 'other', 4 from student_guardians where student_id = '"+c.student+"'")
	c.d.Exec(t, set+"update enrollments set status = 'withdrawn', ended_on = '2026-07-01' where student_id = '"+c.student+"'; update students set status = 'withdrawn' where id = '"+c.student+"'")
	c.says(0, "and 0 guardians", "student erase "+c.student+" --tenant demo --yes")
	assert.Equal(t, int64(1), dbtest.Value[int64](t, c.d, "select count(*) from "+c.schema+".guardians where first_name = 'Canarymother'"))
}
