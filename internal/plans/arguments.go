package plans

import (
	"fmt"
	"strconv"

	"github.com/rollcall-erp/rollcall/internal/page"
)

// Where the arguments of the queries come from: the tenant's own rows. Almost all need no word here, since a parameter that is
// named like a column of the query's table has that column's value in the table's typical row, `after_x` that of x, and `xs` is a list of one x.
// Typical rows belong together: they are those about one student, see anchorQuery.
//
// What is said here is SQL for the value, by query and parameter or by parameter alone; a parameter with several values is tried
// with each. `a` is the row of anchorQuery.

// anchorQuery finds a student from the middle of the tenant who is enrolled, has a guardian who signs in, and a teacher.
const anchorQuery = `select e.student_id, e.section_id, e.class_id, e.institution_id, e.academic_year_id, t.user_id as teacher_id, t.user_id, l.guardian_id,
	g.user_id as guardian_user_id, l.guardian_id is not null as found
from enrollments e
join teaching_assignments t on t.section_id = e.section_id
join student_guardians l on l.student_id = e.student_id
join guardians g on g.id = l.guardian_id and g.user_id is not null
where e.status = 'active' and e.roll_number is not null
order by e.student_id, t.user_id, l.guardian_id
offset (select count(*) / 60 from students) limit 1`

// typicalOf finds the typical row of a table by other means than the anchor's column of the same name.
var typicalOf = map[string]string{
	"users":              "t.id = a.teacher_id",
	"subjects":           "t.institution_id = a.institution_id",
	"institutions":       "t.id = a.institution_id",
	"academic_years":     "t.id = a.academic_year_id",
	"classes":            "t.id = a.class_id",
	"sections":           "t.id = a.section_id",
	"students":           "t.id = a.student_id",
	"student_records":    "t.id = a.student_id",
	"enrollments":        "t.student_id = a.student_id and t.status = 'active'",
	"guardians":          "t.id = a.guardian_id",
	"user_roles":         "t.user_id = a.teacher_id",
	"sessions":           "t.user_id = a.teacher_id",
	"control.tenants":    "t.status = 'active'",
	"exams":              "t.id = " + anExam,
	"exam_papers":        "t.exam_id = " + anExam,
	"exam_publications":  "t.exam_id = " + anExam,
	"webhook_deliveries": "t.status = 'pending'",
}

const (
	// aPage is what a list fetches for a page of the default size.
	aPage = "21"
	// aDay is a day with a register of the typical section.
	aDay = "(select min(date) from attendance_registers r where r.section_id = a.section_id)"
	// anExam is the published one of the typical class, aPaper one of its papers.
	anExam = "(select x.id from exams x where x.class_id = a.class_id and x.status = 'published' limit 1)"
	aPaper = "(select p.id from exam_papers p where p.exam_id = " + anExam + " order by p.position limit 1)"
	// aBatch is the size of the largest bulk operation, and of a step of the clean-up.
	aBatch = "100"
)

// firstState is the state of the first session as it is in session_states once it is not over (prepareView).
const firstState = `(select concat_ws(' ', u.xmin, coalesce((select f.xmin::text from second_factors f where f.user_id = u.id), '-'),
	(select version from role_changes), s.factor_at, current_setting('rollcall.require_mfa', true))
	from sessions s join users u on u.id = s.user_id order by s.id limit 1)`

// values are by "Query.parameter" or "parameter".
var values = map[string][]string{
	"row_limit":  {aPage},
	"row_offset": {"0", strconv.Itoa(page.MostCounted - 20)},
	"most":       {strconv.Itoa(int(page.CountLimit()))},

	"pattern":            {`'%' || (select last_name from students s where s.id = a.student_id) || '%'`, `(select '%' || first_name || ' ' || last_name || '%' from students s where s.id = a.student_id)`, `'%nobody has this name%'`},
	"ListUsers.role_id":  {"(select id from roles limit 1)"},
	"CountUsers.role_id": {"(select id from roles limit 1)"},
	"role":               {"'teacher'"},
	"is_active":          {"true", "false"},

	"ListStudentsByName.status":            studentStatuses,
	"ListStudentsByAdmissionNumber.status": studentStatuses,
	"ListStudentsByNewest.status":          studentStatuses,
	"CountStudents.status":                 studentStatuses,

	"date":                                 {aDay},
	"dates":                                {"array[" + aDay + "]"},
	"from_date":                            {"(select start_date from academic_years y where y.id = a.academic_year_id)"},
	"to_date":                              {"(select end_date from academic_years y where y.id = a.academic_year_id)"},
	"target":                               {"'sections'", "'subjects'", "'academic_years'", "'classes'", "'institutions'"},
	"UsesOf.id":                            {"a.section_id"},
	"seen_version":                         {"1"},
	"MarkStudents.student_ids":             {"array(select student_id from attendance_marks m where m.section_id = a.section_id and m.date = " + aDay + ")"},
	"MarkStudents.academic_year_ids":       {"array(select academic_year_id from attendance_marks m where m.section_id = a.section_id and m.date = " + aDay + ")"},
	"MarkStudents.statuses":                {"array(select 'late' from attendance_marks m where m.section_id = a.section_id and m.date = " + aDay + ")"},
	"MarkStudents.notes":                   {"array(select 'a note' from attendance_marks m where m.section_id = a.section_id and m.date = " + aDay + ")"},
	"EnrollmentsForMarks.student_ids":      {"array(select student_id from attendance_marks m where m.section_id = a.section_id and m.date = " + aDay + ")"},
	"ListMissingRegisters.date":            {aDay + " + 150"},
	"CountMissingRegisters.date":           {aDay + " + 150"},
	"AddRegisters.dates":                   {"array[" + aDay + " + 150]"},
	"AddMarks.dates":                       {"array[" + aDay + " + 150]"},
	"DaysOutside.id":                       {"a.academic_year_id"},
	"names":                                {"array['a name']"},
	"start_dates":                          {"array[current_date]"},
	"end_dates":                            {"array[current_date]"},
	"taken_at":                             {"array[now()]"},
	"statuses":                             {"array['present']"},
	"after_class_name":                     {"(select name from classes c where c.id = a.class_id)"},
	"after_section_name":                   {"(select name from sections s where s.id = a.section_id)"},
	"except_student_id":                    {"a.student_id"},
	"AssignSubjects.subject_ids":           {"array(select id from subjects j where j.institution_id = a.institution_id and not exists (select from subject_assignments x where (x.section_id, x.user_id, x.subject_id) = (a.section_id, a.user_id, j.id)) limit 1)"},
	"DeleteInstitution.id":                 {"gen_random_uuid()"},
	"DeleteAcademicYear.id":                {"gen_random_uuid()"},
	"DeleteClass.id":                       {"gen_random_uuid()"},
	"DeleteSection.id":                     {"gen_random_uuid()"},
	"DeleteSubject.id":                     {"gen_random_uuid()"},
	"step":                                 {"1"},
	"secret_sealed":                        {`'\x00'::bytea`},
	"fresh_seconds":                        {"300"},
	"lifetime_seconds":                     {"43200"},
	"password_given":                       {"true"},
	"factor_given":                         {"true"},
	"with_factor":                          {"false"},
	"transport":                            {"'bearer'"},
	"token_hash":                           {"(select token_hash from sessions s where s.user_id = a.user_id limit 1)"},
	"NoteKey.key_digest":                   {"sha256('a key')"},
	"HoldSession.token_hash":               {"(select s.token_hash from sessions s join users u on u.id = s.user_id order by s.id limit 1)"},
	"HoldSession.transport":                {"(select s.transport from sessions s join users u on u.id = s.user_id order by s.id limit 1)"},
	"HoldSession.used_within_seconds":      {"1e9"},
	"HoldSession.state":                    {firstState},
	"CreateSession.token_hash":             {"sha256('a new session')"},
	"RotateSession.new_hash":               {"sha256('another token')"},
	"RotateSession.old_hash":               {"(select token_hash from sessions s where s.user_id = a.user_id limit 1)"},
	"ListSessions.after_id":                {"(select id from sessions s where s.user_id = a.user_id order by id desc limit 1)"},
	"ListSessions.after_created_at":        {"(select created_at from sessions s where s.user_id = a.user_id order by id desc limit 1)"},
	"CreateRecoveryCodes.user_id":          {"(select user_id from second_factors limit 1)"},
	"code_hashes":                          {"array[sha256('a new code')]"},
	"require_mfa":                          {"true"},
	"UpdateTenant.name":                    {"'A name'"},
	"UpdateTenant.id":                      {"(select id from control.tenants where status = 'active' limit 1)"},
	"from_id":                              {"(select id from audit_events order by id offset 100 limit 1)"},
	"to_id":                                {"(select id from audit_events order by id desc offset 200 limit 1)"},
	"actor_id":                             {"(select actor_id from audit_events e where e.resource_id = a.student_id)"},
	"action":                               {"'admitStudent'", "'login'"},
	"resource_type":                        {"'student'", "'exam'"},
	"resource_id":                          {"a.student_id"},
	"ListAuditEvents.after_id":             {"(select id from audit_events order by id desc offset 500 limit 1)"},
	"AuditEventPlaces.after_id":            {"(select id from audit_events order by id offset 500 limit 1)"},
	"SealAuditEvents.most":                 {"50"},
	"AuditSeal.position":                   {"500"},
	"SealedAuditEvents.after_position":     {"500"},
	"SealedAuditEvents.last_position":      {"5000"},
	"SealedAuditEvents.row_limit":          {"1000"},
	"AuditEventPlaces.row_limit":           {"1000"},
	"MovedAuditSeals.previous_hash":        {"sha256('a hash')"},
	"MovedAuditSeals.hash_there":           {"sha256('a hash')"},
	"MovedAuditSeals.position":             {"500"},
	"exam_id":                              {anExam},
	"paper_id":                             {aPaper},
	"CreateExam.name":                      {"'Another exam'"},
	"UpdateExam.status":                    {"'published'"},
	"DeleteExam.id":                        {"gen_random_uuid()"},
	"ListExams.status":                     {"'draft'", "'published'"},
	"CountExams.status":                    {"'draft'", "'published'"},
	"DeletePapers.exam_id":                 {"gen_random_uuid()"},
	"DeleteSheets.exam_id":                 {"gen_random_uuid()"},
	"kept":                                 {"array[a.section_id]"},
	"WritePapers.id":                       {"gen_random_uuid()"},
	"SubjectsForPapers.ids":                {"array(select id from subjects j where j.institution_id = a.institution_id)"},
	"subject_id":                           {"(select p.subject_id from exam_papers p where p.id = " + aPaper + ")"},
	"ListResults.after_id":                 {"a.student_id"},
	"ListResults.after_last_name":          {"(select last_name from students s where s.id = a.student_id)"},
	"ListResults.after_first_name":         {"(select first_name from students s where s.id = a.student_id)"},
	"absent":                               {"array[false]"},
	"marks":                                {"array[50]"},
	"remarks":                              {"array['']"},
	"graded_by":                            {"a.teacher_id"},
	"CreatePublication.version":            {"2"},
	"CreatePublication.reason":             {"'A correction'"},
	"CreatePublication.published_by":       {"a.teacher_id"},
	"CreateReportCards.publication_id":     {"(select u.id from exam_publications u where u.exam_id = " + anExam + " limit 1)"},
	"CreateReportCards.student_id":         {"(select s.id from students s where s.institution_id <> a.institution_id limit 1)"},
	"CreateReportCards.version":            {"9"},
	"ListReportCards.version":              {"null", "1"},
	"CountReportCards.version":             {"null", "1"},
	"ListReportCards.after_id":             {"gen_random_uuid()"},
	"CreateBands.min_percentage":           {"99"},
	"lock_id":                              {"1"},
	"FindAnswer.key_digest":                {"(select key_digest from idempotency_keys k where k.user_id = a.user_id limit 1)"},
	"KeepAnswer.key_digest":                {"sha256('another key')"},
	"KeepAnswer.request_digest":            {"sha256('a request')"},
	"KeepAnswer.response":                  {"sha256('an answer')"},
	"DeleteOldKeys.before":                 {"(select created_at from idempotency_keys order by created_at offset 30 limit 1)"},
	"DeleteOldKeys.row_limit":              {aBatch},
	"events":                               {"'[]'::jsonb"},
	"CreateWebhook.events":                 {"array['student.admitted']"},
	"UpdateWebhook.events":                 {"array['student.admitted']"},
	"CreateWebhook.secret":                 {`'\x00'::bytea`},
	"CreateDelivery.webhook_id":            {"(select id from webhooks order by id desc limit 1)"},
	"CreateDelivery.event_id":              {"(select id from outbox_events order by position limit 1)"},
	"overlap_seconds":                      {"3600"},
	"wait_seconds":                         {"60"},
	"lease_seconds":                        {"60"},
	"PauseWebhook.seconds":                 {"60"},
	"of_endpoint":                          {"true"},
	"DisableWebhook.reason":                {"'failing'"},
	"DeleteWebhook.id":                     {"(select id from webhooks order by id limit 1)"},
	"ListDeliveries.status":                {"'pending'", "'delivered'"},
	"CountDeliveries.status":               {"'pending'", "'delivered'"},
	"FinishDelivery.status":                {"'delivered'"},
	"status_code":                          {"200"},
	"error":                                {"null"},
	"DeleteOldEvents.before":               {"(select created_at from outbox_events order by created_at offset 30 limit 1)"},
	"DeleteOldEvents.row_limit":            {aBatch},
	"due_at":                               {"now()"},
	"oldest_at":                            {"now()"},
	"TakeWakeups.tenant_id":                {"(select id from control.tenants where status = 'active' limit 1)"},
	"RemoveLaterWakeups.tenant_id":         {"(select id from control.tenants where status = 'active' limit 1)"},
	"AddWakeup.tenant_id":                  {"(select id from control.tenants where status = 'active' limit 1)"},
	"ActiveUsers.ids":                      {"array[a.teacher_id]"},
	"AssignTeachers.user_ids":              {"array[a.teacher_id]"},
	"DismissTeachers.user_ids":             {"array(select x.user_id from subject_assignments x where x.section_id = a.section_id)"}, // who teaches a subject stays: else it is refused
	"EndCurrentAcademicYear.id":            {"gen_random_uuid()"},
	"CreateAcademicYear.is_current":        {"false"},
	"UpdateAcademicYear.is_current":        {"true"},
	"CreateSession.user_id":                {"a.teacher_id"},
	"CreateSession.password_hash":          {"'no such hash'"},
	"CreateSession.expires_at":             {"now() + interval '1 hour'"},
	"PasswordHash.id":                      {"a.teacher_id"},
	"new_hash":                             {"'a hash'"},
	"old_hash":                             {"'no such hash'"},
	"idle_seconds":                         {"3600"},
	"KnownAddresses.seconds":               {"7776000"},
	"writing_users":                        {"array['admin']"},
	"writing_roles":                        {"array['admin']"},
	"CountUsersOfRole.role_id":             {"(select id from roles limit 1)"},
	"Assign.role":                          {"'registrar'"},
	"Assign.role_id":                       {"null"},
	"Assign.institution_id":                {"a.institution_id"},
	"DeleteRole.id":                        {"gen_random_uuid()"},
	"ClaimGuess.most":                      {"30"},
	"fade_seconds":                         {"600"},
	"free":                                 {"5"},
	"longest_seconds":                      {"900"},
	"first_seconds":                        {"1"},
	"DeleteOldGuesses.before":              {"(select counted_at from guesses order by counted_at offset 30 limit 1)"},
	"DeleteOldGuesses.row_limit":           {aBatch},
	"DeleteEndedSessions.before":           {"(select least(ended_at, expires_at) from sessions order by least(ended_at, expires_at) offset 30 limit 1)"},
	"DeleteEndedSessions.row_limit":        {aBatch},
	"CloseEnrollment.status":               {"'withdrawn'"},
	"CloseEnrollment.ended_on":             {"(select end_date from academic_years y where y.id = a.academic_year_id)"},
	"OpenEnrollments.student_id":           {"(select id from students where status = 'withdrawn' limit 1)"},
	"OpenEnrollments.roll_number":          {"9999"},
	"AdmitStudents.user_id":                {"a.teacher_id"},
	"AdmitStudents.aadhar_sealed":          {"null"},
	"AdmitStudents.aadhar_digest":          {"null"},
	"AdmitStudents.aadhar_last4":           {"null"},
	"LinkGuardianUser.user_id":             {"a.guardian_user_id"},
	"UpdateStudentUser.id":                 {"(select user_id from students s where s.id = a.student_id)"},
	"UpdateStudentUser.email":              {"null"},
	"UnlinkGuardians.ids":                  {"array[a.guardian_id]"},
	"DeleteLoneGuardians.ids":              {"array(select id from guardians where user_id is null order by id limit 4)"},
	"PlacesForAdmission.institution_ids":   {"array[a.institution_id]"},
	"PlacesForAdmission.academic_year_ids": {"array[a.academic_year_id]"},
	"PlacesForAdmission.class_ids":         {"array[a.class_id]"},
	"PlacesForAdmission.section_ids":       {"array[a.section_id]"},
	"TakenIdentifiers.admission_numbers":   {"array(select admission_number from students s where s.institution_id = a.institution_id order by s.id limit 99)"},
	"TakenIdentifiers.institution_ids":     {"array_fill(a.institution_id, array[99])"},
	"TakenIdentifiers.emails":              {"array(select email from users order by id limit 99)"},
	"TakenIdentifiers.aadhar_digests":      {`array_fill('\x00'::bytea, array[99])`},
	"TakenIdentifiers.roll_numbers":        {"array_fill(1, array[99])"},
	"TakenIdentifiers.academic_year_ids":   {"array_fill(a.academic_year_id, array[99])"},
	"TakenIdentifiers.section_ids":         {"array_fill(a.section_id, array[99])"},
	"MoveStudent.status":                   {"'active'"},
	"purpose":                              {"'login'"},
	"task":                                 {"'cleanup'"},
	"tasks":                                {"array['cleanup']"},
	"retry_seconds":                        {"60"},
	"every_seconds":                        {"3600"},
	"succeeded":                            {"true"},
	"ClaimRun.tenant_id":                   {"(select id from control.tenants where status = 'active' limit 1)"},
	"FinishRun.tenant_id":                  {"(select id from control.tenants where status = 'active' limit 1)"},
	"FinishRun.started_at":                 {"now()"},
	"CreateTenant.slug":                    {"'a-new-tenant'"},
	"TenantByID.id":                        {"(select id from control.tenants where status = 'active' limit 1)"},
	"SetTenantStatus.id":                   {"(select id from control.tenants where status = 'active' limit 1)"},
	"SetTenantStatus.status":               {"'suspended'"},
	"SetTenantStatus.expected":             {"array['active']"},
}

var studentStatuses = []string{"'active'", "'withdrawn'"}

// errUnknown says where an argument has to be added.
func errUnknown(q Query, parameter string, known []string) error {
	return fmt.Errorf("query %s (queries/%s): no argument is known for its parameter %s: it is no column of %v; add it to values in internal/plans/arguments.go",
		q.Name, q.File, parameter, known)
}
