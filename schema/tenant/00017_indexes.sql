-- The production indexes: what no constraint needs but a query does. `rollcall plans` says which query uses which, and fails for
-- one that no query uses; docs/indexes.md has what each is worth.
--
-- CONCURRENTLY, so that nobody waits while a large table is read; in a tenant that is new, and in which there is nobody, without
-- (internal/tenant). A build that fails leaves an invalid index behind; the next run removes it first and goes on here.
-- +goose NO TRANSACTION
-- +goose Up
-- Building holds up no request, so it may wait for long transactions.
set lock_timeout = '10min';

-- ListStudentsByName, ListStudentsByAdmissionNumber, ListStudentsByNewest, CountStudents: the search
create index concurrently if not exists students_search_idx on students using gin (search_text ext.gin_trgm_ops);
-- ListStudentsByName: of all, and of an institution
create index concurrently if not exists students_name_idx on students (last_name, first_name, id);
create index concurrently if not exists students_institution_name_idx on students (institution_id, last_name, first_name, id);
-- ListStudentsByAdmissionNumber: of all; those of an institution have students_admission_number_key
create index concurrently if not exists students_number_idx on students (admission_number, id);
-- ListStudentsByNewest: of all, and of an institution
create index concurrently if not exists students_newest_idx on students (created_at, id);
create index concurrently if not exists students_institution_newest_idx on students (institution_id, created_at, id);
-- CountStudents: those who have left, in all or in an institution
create index concurrently if not exists students_withdrawn_idx on students (institution_id) where status = 'withdrawn';

-- ListEnrollments, CountEnrollments
create index concurrently if not exists enrollments_history_idx on enrollments (student_id, started_on, id);
-- ListStudentsByName and the other orders, CountStudents: of a section, of a class; and what a teacher sees
create index concurrently if not exists enrollments_section_idx on enrollments (section_id) where status = 'active';
create index concurrently if not exists enrollments_class_idx on enrollments (class_id) where status = 'active';
-- DeleteLoneGuardians, and what a guardian sees
create index concurrently if not exists student_guardians_guardian_id_idx on student_guardians (guardian_id);
-- ListRegister: who was in a section on a day, also those who have left it since
create index concurrently if not exists enrollments_section_history_idx on enrollments (section_id, started_on);

-- DeleteSubject, UsesOf: who refers to it
create index concurrently if not exists subject_assignments_subject_id_idx on subject_assignments (subject_id);
-- DaysOutside, UsesOf: the days of a year that have registers
create index concurrently if not exists attendance_registers_academic_year_id_idx on attendance_registers (academic_year_id, date);
-- ListRegister; SummarizeAttendance of a section or class, from the index alone
create index concurrently if not exists attendance_marks_section_idx on attendance_marks (section_id, date) include (status);
-- SummarizeAttendance of an institution and year, from the index alone
create index concurrently if not exists attendance_marks_institution_idx on attendance_marks (institution_id, date) include (section_id, status);
-- ListCorrections
create index concurrently if not exists attendance_corrections_section_idx on attendance_corrections (section_id, date);

-- ListClasses, ListSections: of all
create index concurrently if not exists classes_order_idx on classes (grade_level, name, id);
create index concurrently if not exists sections_name_idx on sections (name, id);
-- ListTeachers
create index concurrently if not exists teaching_assignments_section_id_idx on teaching_assignments (section_id);

-- ListUsers, CountUsers: the search, the order, and who is not active, which few are
create index concurrently if not exists users_search_idx on users using gin (search_text ext.gin_trgm_ops);
create index concurrently if not exists users_name_idx on users (last_name, first_name, id);
create index concurrently if not exists users_inactive_idx on users (last_name, first_name, id) where not is_active;
-- ListUsers, CountUsersOfRole, HasAdministrator: who has a role
create index concurrently if not exists user_roles_role_idx on user_roles (role) where role is not null;
create index concurrently if not exists user_roles_role_id_idx on user_roles (role_id) where role_id is not null;

-- ListSessions, CountSessions, EndSessionsOfUser
create index concurrently if not exists sessions_live_idx on sessions (user_id, created_at, id) where ended_at is null;
-- KnownAddresses
create index concurrently if not exists sessions_user_id_idx on sessions (user_id, created_at);
-- DeleteEndedSessions
create index concurrently if not exists sessions_over_idx on sessions (least(ended_at, expires_at));
-- DeleteOldGuesses
create index concurrently if not exists guesses_counted_at_idx on guesses (counted_at);

-- ListExams: of all, of a class
create index concurrently if not exists exams_start_date_idx on exams (start_date, id);
create index concurrently if not exists exams_class_id_idx on exams (class_id, start_date, id);
-- UsesOf, DeleteSubject: whether it is in use
create index concurrently if not exists exam_papers_subject_id_idx on exam_papers (subject_id);
-- ListTakers, ListResults, CountTakers, TakersAmong: the view exam_takers
create index concurrently if not exists enrollments_year_class_idx on enrollments (academic_year_id, class_id);

-- ListAuditEvents, CountAuditEvents: by each filter, in the order of time
create index concurrently if not exists audit_events_actor_id_idx on audit_events (actor_id, id);
create index concurrently if not exists audit_events_action_idx on audit_events (action, id);
create index concurrently if not exists audit_events_resource_type_idx on audit_events (resource_type, id);
create index concurrently if not exists audit_events_resource_id_idx on audit_events (resource_id, id);

-- DeleteOldKeys
create index concurrently if not exists idempotency_keys_created_at_idx on idempotency_keys (created_at);
-- DeleteOldEvents, and their deliveries with them
create index concurrently if not exists outbox_events_created_at_idx on outbox_events (created_at);
create index concurrently if not exists webhook_deliveries_event_id_idx on webhook_deliveries (event_id);
-- DueWebhooks, ClaimDeliveries, NextDelivery
create index concurrently if not exists webhook_deliveries_pending_idx on webhook_deliveries (webhook_id, subject_id, position) where status = 'pending';
-- ListDeliveries, CountDeliveries
create index concurrently if not exists webhook_deliveries_list_idx on webhook_deliveries (webhook_id, position, id);

reset lock_timeout;

-- +goose Down
drop index if exists idempotency_keys_created_at_idx, outbox_events_created_at_idx, webhook_deliveries_event_id_idx, webhook_deliveries_pending_idx,
    webhook_deliveries_list_idx, exams_start_date_idx, exams_class_id_idx, exam_papers_subject_id_idx, enrollments_year_class_idx,
    audit_events_actor_id_idx, audit_events_action_idx, audit_events_resource_type_idx, audit_events_resource_id_idx,
    students_withdrawn_idx, enrollments_section_history_idx, subject_assignments_subject_id_idx,
    attendance_registers_academic_year_id_idx, attendance_marks_section_idx, attendance_marks_institution_idx, attendance_corrections_section_idx,
    guesses_counted_at_idx, sessions_over_idx, sessions_user_id_idx, sessions_live_idx, user_roles_role_id_idx, user_roles_role_idx,
    users_inactive_idx, users_name_idx, users_search_idx, teaching_assignments_section_id_idx, sections_name_idx, classes_order_idx,
    student_guardians_guardian_id_idx, enrollments_class_idx, enrollments_section_idx, enrollments_history_idx, students_institution_newest_idx,
    students_newest_idx, students_number_idx, students_institution_name_idx, students_name_idx, students_search_idx;
