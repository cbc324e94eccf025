-- The school's calendar, who teaches what, and attendance.
-- +goose Up
-- For `set search_path from current` below: nobody's temporary table stands before a table of the tenant.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

alter table institutions
    add column time_zone text not null default 'Asia/Kolkata' constraint institutions_time_zone_check check (char_length(time_zone) between 1 and 50),
    add column working_days text[] not null default '{monday,tuesday,wednesday,thursday,friday}'
        constraint institutions_working_days_check check (cardinality(working_days) between 1 and 7
            and working_days <@ '{monday,tuesday,wednesday,thursday,friday,saturday,sunday}');

create table terms (
    academic_year_id uuid not null constraint terms_academic_year_id_fkey references academic_years (id),
    name             text not null constraint terms_name_check check (char_length(name) between 1 and 100),
    start_date       date not null,
    end_date         date not null constraint terms_end_date_order check (end_date >= start_date),
    constraint terms_pkey primary key (academic_year_id, start_date),
    constraint terms_name_key unique (academic_year_id, name)
);

create table holidays (
    academic_year_id uuid not null constraint holidays_academic_year_id_fkey references academic_years (id),
    name             text not null constraint holidays_name_check check (char_length(name) between 1 and 100),
    start_date       date not null,
    end_date         date not null constraint holidays_end_date_order check (end_date >= start_date),
    constraint holidays_pkey primary key (academic_year_id, start_date, name)
);

-- Which subjects a teacher teaches in a section. What a teacher sees depends on the section alone.
create table subject_assignments (
    user_id    uuid not null,
    section_id uuid not null,
    subject_id uuid not null constraint subject_assignments_subject_id_fkey references subjects (id),
    constraint subject_assignments_pkey primary key (section_id, user_id, subject_id),
    constraint subject_assignments_user_id_fkey foreign key (user_id, section_id) references teaching_assignments (user_id, section_id)
);

-- A section's register of a day: that it was taken, and its version, which guards against lost updates. ListMissingRegisters
-- looks for what is not here.
create table attendance_registers (
    section_id       uuid        not null constraint attendance_registers_section_id_fkey references sections (id),
    date             date        not null,
    academic_year_id uuid        not null,
    institution_id   uuid        not null constraint attendance_registers_institution_id_fkey references institutions (id),
    version          bigint      not null default 1,
    taken_by         uuid        not null constraint attendance_registers_taken_by_fkey references users (id),
    taken_at         timestamptz not null default now(),
    updated_by       uuid        not null constraint attendance_registers_updated_by_fkey references users (id),
    updated_at       timestamptz not null default now(),
    constraint attendance_registers_pkey primary key (section_id, date),
    constraint attendance_registers_academic_year_id_fkey foreign key (academic_year_id, institution_id) references academic_years (id, institution_id)
);

-- One mark a student and day; it is in the register of the section that the student was in that day. Year and institution are
-- those of the enrollment, and not proved again: a foreign key of a limited role costs a query a row. The primary key is the one of
-- ListStudentAttendance and of the upsert.
create table attendance_marks (
    student_id       uuid        not null constraint attendance_marks_student_id_fkey references students (id),
    date             date        not null,
    section_id       uuid        not null,
    academic_year_id uuid        not null,
    institution_id   uuid        not null,
    status           text        not null constraint attendance_marks_status_check check (status in ('present', 'absent', 'late', 'excused')),
    note             text        constraint attendance_marks_note_check check (char_length(note) between 1 and 200),
    version          integer     not null default 1,
    marked_by        uuid        not null constraint attendance_marks_marked_by_fkey references users (id),
    marked_at        timestamptz not null default now(),
    constraint attendance_marks_pkey primary key (student_id, date),
    constraint attendance_marks_section_id_fkey foreign key (section_id, date) references attendance_registers (section_id, date)
);

-- What a mark was before it was changed: its version then, whose it was, and who changed it to what. Section and institution
-- are those of the mark.
create table attendance_corrections (
    student_id     uuid        not null,
    date           date        not null,
    version        integer     not null,
    section_id     uuid        not null,
    institution_id uuid        not null,
    status         text        not null,
    note           text,
    marked_by      uuid        not null constraint attendance_corrections_marked_by_fkey references users (id),
    marked_at      timestamptz not null,
    new_status     text        not null,
    new_note       text,
    corrected_by   uuid        not null constraint attendance_corrections_corrected_by_fkey references users (id),
    corrected_at   timestamptz not null,
    constraint attendance_corrections_pkey primary key (student_id, date, version),
    constraint attendance_corrections_date_fkey foreign key (student_id, date) references attendance_marks (student_id, date)
);
-- Marks are written by the register, and so is their event: one a register, with what each student's mark was and became. A
-- row each would be most of the trail.
-- +goose StatementBegin
create function audit_marks() returns trigger language plpgsql security definer set search_path from current as $$
declare
    item record;
begin
    if tg_op = 'INSERT' then
        for item in select section_id, jsonb_build_object('date', date, 'marks', jsonb_object_agg(student_id, status)) as marks
            from written group by section_id, date
        loop
            perform audit_record('attendanceMarks', item.section_id, 'create', null, item.marks);
        end loop;
    elsif tg_op = 'DELETE' then
        for item in select section_id, jsonb_build_object('date', date, 'marks', jsonb_object_agg(student_id, status)) as marks
            from overwritten group by section_id, date
        loop
            perform audit_record('attendanceMarks', item.section_id, 'delete', item.marks, null);
        end loop;
    else
        for item in select o.section_id, jsonb_build_object('date', o.date, 'marks', jsonb_object_agg(o.student_id, o.status)) as was,
                jsonb_build_object('date', o.date, 'marks', jsonb_object_agg(o.student_id, n.status)) as becomes
            from overwritten o join written n using (student_id, date)
            where (o.section_id, o.status, o.note) is distinct from (n.section_id, n.status, n.note) group by o.section_id, o.date
        loop
            perform audit_record('attendanceMarks', item.section_id, 'update', item.was, item.becomes);
        end loop;
    end if;
    return null;
end
$$;
-- +goose StatementEnd
create trigger audit_marks_insert after insert on attendance_marks referencing new table as written
    for each statement execute function audit_marks();
create trigger audit_marks_update after update on attendance_marks referencing old table as overwritten new table as written
    for each statement execute function audit_marks();
create trigger audit_marks_delete after delete on attendance_marks referencing old table as overwritten
    for each statement execute function audit_marks();

-- What the audit trail shows (00009_audit.sql).
comment on table attendance_marks is 'audit: none, because audit_marks() writes one event a register';
comment on table attendance_corrections is 'audit: none, because it keeps what marks were, whose changes are events';
comment on column institutions.time_zone is 'audit: plain';
comment on column institutions.working_days is 'audit: plain';
comment on column terms.name is 'audit: plain';
comment on column holidays.name is 'audit: plain';
comment on column attendance_registers.version is 'audit: ignored';

alter table terms enable row level security;
alter table holidays enable row level security;
alter table subject_assignments enable row level security;
alter table attendance_registers enable row level security;
alter table attendance_marks enable row level security;
alter table attendance_corrections enable row level security;
create policy visible on terms using (exists (select from academic_years y where y.id = academic_year_id));
create policy visible on holidays using (exists (select from academic_years y where y.id = academic_year_id));
create policy visible on subject_assignments using (exists (select from sections s where s.id = section_id));
create policy visible on attendance_registers using (section_id = any (array(select reached_sections())));
create policy visible on attendance_marks using (student_id = any (array(select reached_students())));
create policy visible on attendance_corrections using (student_id = any (array(select reached_students())));
select protect_rows();

-- +goose Down
drop table attendance_corrections;
drop table attendance_marks;
drop function audit_marks();
drop table attendance_registers;
drop table subject_assignments;
drop table holidays;
drop table terms;
alter table institutions drop column working_days, drop column time_zone;
