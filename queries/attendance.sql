-- Registers, marks and their corrections. Which day is a school day and who attends on it is decided in
-- internal/attendance/rules.go; a query here reads what that needs, or a little more.

-- name: GetRegister :one
-- The register of a section and day; version 0 where it is not taken yet.
select s.id as section_id, s.class_id, c.institution_id, coalesce(r.version, 0)::bigint as version, r.taken_by, r.taken_at, r.updated_by, r.updated_at
from sections s
join classes c on c.id = s.class_id
left join attendance_registers r on r.section_id = s.id and r.date = @date
where s.id = @section_id;

-- name: CalendarsOn :many
-- What the calendars say of a day, one row an institution, or that of a section; the academic year is zero outside all years.
select i.id as institution_id, i.time_zone, i.working_days, coalesce(y.id, '00000000-0000-0000-0000-000000000000')::uuid as academic_year_id,
       exists (select from terms t where t.academic_year_id = y.id) as has_terms,
       exists (select from terms t where t.academic_year_id = y.id and @date::date between t.start_date and t.end_date) as in_term,
       coalesce((select h.name from holidays h where h.academic_year_id = y.id and @date between h.start_date and h.end_date
                 order by h.start_date, h.name limit 1), '')::text as holiday
from institutions i
left join lateral (
    select a.id from academic_years a where a.institution_id = i.id and @date between a.start_date and a.end_date
    order by a.is_current desc, a.start_date desc, a.id limit 1
) y on true
where (sqlc.narg(institution_id)::uuid is null or i.id = sqlc.narg(institution_id))
  and (sqlc.narg(section_id)::uuid is null or i.id = (select c.institution_id from sections s join classes c on c.id = s.class_id where s.id = sqlc.narg(section_id)))
order by i.id;

-- name: EnrollmentsForMarks :many
-- The enrollments of students in a section, and where each is marked on the day already.
select e.student_id, e.academic_year_id, e.status, e.started_on, e.ended_on, y.start_date, y.end_date, m.section_id as marked_in
from enrollments e
join academic_years y on y.id = e.academic_year_id
left join attendance_marks m on m.student_id = e.student_id and m.date = @date
where e.section_id = @section_id and e.student_id = any(@student_ids::uuid[])
order by e.student_id, e.started_on;

-- name: SaveRegister :one
-- Takes a register, or makes the next version of the one that the caller has seen; no row when somebody was faster.
insert into attendance_registers (section_id, date, academic_year_id, institution_id, taken_by, updated_by)
values (@section_id, @date, @academic_year_id, @institution_id, @user_id, @user_id)
on conflict on constraint attendance_registers_pkey do update
set version = attendance_registers.version + 1, updated_by = excluded.updated_by, updated_at = statement_timestamp()
where attendance_registers.version = @seen_version::bigint
returning version;

-- name: MarkStudents :exec
-- Writes the marks of a register, and keeps what a changed one was before. A mark that stays as it is keeps its author; one
-- in the register of another section stays there.
with given as (
    select unnest(@student_ids::uuid[]) as student_id, unnest(@academic_year_ids::uuid[]) as academic_year_id,
           unnest(@statuses::text[]) as status, nullif(unnest(@notes::text[]), '') as note
), corrected as (
    insert into attendance_corrections (student_id, date, version, section_id, institution_id, status, note, marked_by, marked_at,
                                        new_status, new_note, corrected_by, corrected_at)
    select m.student_id, m.date, m.version, m.section_id, m.institution_id, m.status, m.note, m.marked_by, m.marked_at,
           g.status, g.note, @user_id, statement_timestamp()
    from given g
    join attendance_marks m on m.student_id = g.student_id and m.date = @date and m.section_id = @section_id
    where (m.status, m.note) is distinct from (g.status, g.note)
)
insert into attendance_marks (student_id, date, section_id, academic_year_id, institution_id, status, note, marked_by, marked_at)
select g.student_id, @date, @section_id, g.academic_year_id, @institution_id, g.status, g.note, @user_id, statement_timestamp()
from given g
on conflict on constraint attendance_marks_pkey do update
set status = excluded.status, note = excluded.note, marked_by = excluded.marked_by, marked_at = excluded.marked_at,
    version = attendance_marks.version + 1
where attendance_marks.section_id = excluded.section_id
  and (attendance_marks.status, attendance_marks.note) is distinct from (excluded.status, excluded.note);

-- name: ListRegister :many
-- plan: teacher: up to 10000 rows, looks for each student of the section among those within reach
-- Who may be in a section on a day, with the mark where there is one; also who has one and was, as is known now, not there.
select st.id, st.first_name, st.last_name, e.roll_number, e.status as enrollment_status, e.started_on, e.ended_on, y.start_date, y.end_date,
       m.status, m.note, m.version, m.marked_by, m.marked_at
from enrollments e
join students st on st.id = e.student_id
join academic_years y on y.id = e.academic_year_id
left join attendance_marks m on m.student_id = e.student_id and m.date = @date and m.section_id = e.section_id
where e.section_id = @section_id and (m.student_id is not null or e.started_on <= @date and (e.ended_on is null or e.ended_on >= @date))
order by e.roll_number nulls last, st.last_name, st.first_name, st.id, e.started_on desc;

-- name: ListCorrections :many
select c.student_id, st.first_name, st.last_name, c.version, c.status, c.note, c.marked_by, c.marked_at,
       c.new_status, c.new_note, c.corrected_by, u.first_name as corrector_first_name, u.last_name as corrector_last_name, c.corrected_at
from attendance_corrections c
join students st on st.id = c.student_id
join users u on u.id = c.corrected_by
where c.section_id = @section_id and c.date = @date
  and (sqlc.narg(after_student_id)::uuid is null or (c.corrected_at, c.student_id, c.version) < (sqlc.narg(after_corrected_at)::timestamptz, sqlc.narg(after_student_id), sqlc.narg(after_version)::integer))
order by c.corrected_at desc, c.student_id desc, c.version desc limit @row_limit offset @row_offset;

-- name: CountCorrections :one
-- plan: up to 10001 rows, counts no further
select count(*) from (select 1 from attendance_corrections where section_id = @section_id and date = @date limit @most) as counted;

-- name: ListStudentAttendance :many
select student_id, date, section_id, status, note, version, marked_by, marked_at from attendance_marks
where student_id = @student_id
  and (sqlc.narg(from_date)::date is null or date >= sqlc.narg(from_date))
  and (sqlc.narg(to_date)::date is null or date <= sqlc.narg(to_date))
  and (sqlc.narg(after_date)::date is null or date < sqlc.narg(after_date))
order by date desc limit @row_limit offset @row_offset;

-- name: CountStudentAttendance :one
-- plan: up to 1000 rows, counts the days of a student's school years
-- How often a student was what, in all of the range.
select count(*) as total,
       count(*) filter (where status = 'present') as present, count(*) filter (where status = 'absent') as absent,
       count(*) filter (where status = 'late') as late, count(*) filter (where status = 'excused') as excused
from attendance_marks
where student_id = @student_id
  and (sqlc.narg(from_date)::date is null or date >= sqlc.narg(from_date))
  and (sqlc.narg(to_date)::date is null or date <= sqlc.narg(to_date));

-- name: SummarizeAttendance :many
-- plan: up to 5000000 rows, counts every mark in the range, of whatever is asked for
-- How many marks there are of each status, by section.
select c.id as class_id, c.name as class_name, s.id as section_id, s.name as section_name,
       count(*) filter (where m.status = 'present') as present, count(*) filter (where m.status = 'absent') as absent,
       count(*) filter (where m.status = 'late') as late, count(*) filter (where m.status = 'excused') as excused
from attendance_marks m
join sections s on s.id = m.section_id
join classes c on c.id = s.class_id
where m.date between @from_date and @to_date
  and (sqlc.narg(institution_id)::uuid is null or m.institution_id = sqlc.narg(institution_id))
  and (sqlc.narg(class_id)::uuid is null or s.class_id = sqlc.narg(class_id))
  and (sqlc.narg(section_id)::uuid is null or m.section_id = sqlc.narg(section_id))
group by c.id, s.id
order by c.grade_level, c.name, s.name, s.id;

-- name: ListMissingRegisters :many
-- plan: up to 60000 rows, sorts all sections that lack a register, a few thousand
-- Sections with students in these years and without a register of the day.
select c.institution_id, c.id as class_id, c.grade_level, c.name as class_name, s.id as section_id, s.name as section_name
from sections s
join classes c on c.id = s.class_id
where c.institution_id = any(@institution_ids::uuid[])
  and (sqlc.narg(class_id)::uuid is null or c.id = sqlc.narg(class_id))
  and not exists (select from attendance_registers r where r.section_id = s.id and r.date = @date)
  and exists (select from enrollments e where e.section_id = s.id and e.academic_year_id = any(@academic_year_ids::uuid[])
              and e.started_on <= @date and (e.ended_on is null or e.ended_on >= @date))
  and (sqlc.narg(after_id)::uuid is null or (c.grade_level, c.name, s.name, s.id) > (sqlc.narg(after_grade_level)::integer, sqlc.narg(after_class_name)::text, sqlc.narg(after_section_name)::text, sqlc.narg(after_id)))
order by c.grade_level, c.name, s.name, s.id limit @row_limit offset @row_offset;

-- name: CountMissingRegisters :one
-- plan: up to 60000 rows, looks at the enrollments and registers of every section it counts, up to 10001
select count(*) from (select 1 from sections s
join classes c on c.id = s.class_id
where c.institution_id = any(@institution_ids::uuid[])
  and (sqlc.narg(class_id)::uuid is null or c.id = sqlc.narg(class_id))
  and not exists (select from attendance_registers r where r.section_id = s.id and r.date = @date)
  and exists (select from enrollments e where e.section_id = s.id and e.academic_year_id = any(@academic_year_ids::uuid[])
              and e.started_on <= @date and (e.ended_on is null or e.ended_on >= @date))
limit @most) as counted;

-- name: AddRegisters :exec
-- Many registers at once, as they were taken in the past: for seeding. COPY does not write where rows are limited.
insert into attendance_registers (section_id, date, academic_year_id, institution_id, taken_by, taken_at, updated_by, updated_at)
select r.section_id, r.date, @academic_year_id, @institution_id, @user_id, r.taken_at, @user_id, r.taken_at
from (select unnest(@section_ids::uuid[]) as section_id, unnest(@dates::date[]) as date, unnest(@taken_at::timestamptz[]) as taken_at) r;

-- name: AddMarks :exec
-- Many marks at once: for seeding, after AddRegisters.
insert into attendance_marks (student_id, date, section_id, academic_year_id, institution_id, status, marked_by, marked_at)
select g.student_id, r.date, r.section_id, r.academic_year_id, r.institution_id, g.status, r.taken_by, r.taken_at
from (select unnest(@student_ids::uuid[]) as student_id, unnest(@section_ids::uuid[]) as section_id, unnest(@dates::date[]) as date,
             unnest(@statuses::text[]) as status) g
join attendance_registers r on r.section_id = g.section_id and r.date = g.date;
