-- Institutions, academic years, classes, sections and subjects.
-- A list counts up to @most + 1 rows, so that counting is bounded; @after_id selects by keyset instead of by offset.

-- name: ListInstitutions :many
select id, name, code, is_active, created_at, updated_at, time_zone, working_days from institutions
where (sqlc.narg(after_id)::uuid is null or (name, id) > (sqlc.narg(after_name)::text, sqlc.narg(after_id)))
order by name, id limit @row_limit offset @row_offset;

-- name: CountInstitutions :one
-- plan: up to 10001 rows, counts no further
select count(*) from (select 1 from institutions limit @most) as counted;

-- name: GetInstitution :one
select id, name, code, is_active, created_at, updated_at, time_zone, working_days from institutions where id = @id;

-- name: LockInstitution :one
select id, name, code, is_active, created_at, updated_at, time_zone, working_days from institutions where id = @id for update;

-- name: CreateInstitution :one
insert into institutions (id, name, code, time_zone, working_days, is_active)
values (@id, @name, @code, @time_zone, coalesce(sqlc.narg(working_days), '{monday,tuesday,wednesday,thursday,friday}'::text[]), @is_active)
returning id, name, code, is_active, created_at, updated_at, time_zone, working_days;

-- name: UpdateInstitution :one
update institutions set name = @name, code = @code, time_zone = @time_zone, working_days = @working_days, is_active = @is_active, updated_at = now()
where id = @id
returning id, name, code, is_active, created_at, updated_at, time_zone, working_days;

-- name: ListAcademicYears :many
select id, institution_id, name, start_date, end_date, is_current, is_active, created_at, updated_at from academic_years
where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id))
  and (sqlc.narg(after_id)::uuid is null or (start_date, id) < (sqlc.narg(after_start_date)::date, sqlc.narg(after_id)))
order by start_date desc, id desc limit @row_limit offset @row_offset;

-- name: CountAcademicYears :one
-- plan: up to 10001 rows, counts no further
select count(*) from (select 1 from academic_years where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id)) limit @most) as counted;

-- name: GetAcademicYear :one
select id, institution_id, name, start_date, end_date, is_current, is_active, created_at, updated_at from academic_years where id = @id;

-- name: LockAcademicYear :one
select id, institution_id, name, start_date, end_date, is_current, is_active, created_at, updated_at from academic_years where id = @id for update;

-- name: CreateAcademicYear :one
insert into academic_years (id, institution_id, name, start_date, end_date, is_current, is_active)
values (@id, @institution_id, @name, @start_date, @end_date, @is_current, @is_active)
returning id, institution_id, name, start_date, end_date, is_current, is_active, created_at, updated_at;

-- name: UpdateAcademicYear :one
update academic_years set name = @name, start_date = @start_date, end_date = @end_date, is_current = @is_current, is_active = @is_active, updated_at = now()
where id = @id
returning id, institution_id, name, start_date, end_date, is_current, is_active, created_at, updated_at;

-- name: LockTurnOfInstitution :exec
-- Whoever makes a year current queues here first. Each then sees the year that the one before made current; otherwise
-- academic_years_is_current_key would refuse all but one of them. No key update: children may be inserted meanwhile.
select id from institutions where id = @id for no key update;

-- name: EndCurrentAcademicYear :exec
-- At most one year of an institution is current: the one before steps down first.
update academic_years set is_current = false, updated_at = now()
where institution_id = @institution_id and is_current and id <> @id;

-- name: ListClasses :many
-- plan: up to 12000 rows, there are so few that those in reach, or those behind a page number, are looked for among all
select id, institution_id, name, grade_level, is_active, created_at, updated_at from classes
where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id))
  and (sqlc.narg(after_id)::uuid is null or (grade_level, name, id) > (sqlc.narg(after_grade_level)::integer, sqlc.narg(after_name)::text, sqlc.narg(after_id)))
order by grade_level, name, id limit @row_limit offset @row_offset;

-- name: CountClasses :one
-- plan: up to 10001 rows, counts no further
select count(*) from (select 1 from classes where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id)) limit @most) as counted;

-- name: GetClass :one
select id, institution_id, name, grade_level, is_active, created_at, updated_at from classes where id = @id;

-- name: LockClass :one
select id, institution_id, name, grade_level, is_active, created_at, updated_at from classes where id = @id for update;

-- name: CreateClass :one
insert into classes (id, institution_id, name, grade_level, is_active)
values (@id, @institution_id, @name, @grade_level, @is_active)
returning id, institution_id, name, grade_level, is_active, created_at, updated_at;

-- name: UpdateClass :one
update classes set name = @name, grade_level = @grade_level, is_active = @is_active, updated_at = now()
where id = @id
returning id, institution_id, name, grade_level, is_active, created_at, updated_at;

-- name: ListSections :many
-- plan: up to 12000 rows, there are so few that those in reach, or those behind a page number, are looked for among all
select id, class_id, name, capacity, is_active, created_at, updated_at from sections
where (sqlc.narg(class_id)::uuid is null or class_id = sqlc.narg(class_id))
  and (sqlc.narg(after_id)::uuid is null or (name, id) > (sqlc.narg(after_name)::text, sqlc.narg(after_id)))
order by name, id limit @row_limit offset @row_offset;

-- name: CountSections :one
-- plan: up to 10001 rows, counts no further
select count(*) from (select 1 from sections where (sqlc.narg(class_id)::uuid is null or class_id = sqlc.narg(class_id)) limit @most) as counted;

-- name: GetSection :one
select id, class_id, name, capacity, is_active, created_at, updated_at from sections where id = @id;

-- name: LockSection :one
select id, class_id, name, capacity, is_active, created_at, updated_at from sections where id = @id for update;

-- name: CreateSection :one
insert into sections (id, class_id, name, capacity, is_active)
values (@id, @class_id, @name, @capacity, @is_active)
returning id, class_id, name, capacity, is_active, created_at, updated_at;

-- name: UpdateSection :one
update sections set name = @name, capacity = @capacity, is_active = @is_active, updated_at = now()
where id = @id
returning id, class_id, name, capacity, is_active, created_at, updated_at;

-- name: DaysOutside :many
-- What of a year would be outside it, if it began and ended on these days.
select 'a term'::text as kind, t.start_date, t.end_date from terms t
where t.academic_year_id = @id and (t.start_date < @start_date::date or t.end_date > @end_date::date)
union all
select 'a holiday', h.start_date, h.end_date from holidays h
where h.academic_year_id = @id and (h.start_date < @start_date or h.end_date > @end_date)
union all
(select 'a register', r.date, r.date from attendance_registers r
where r.academic_year_id = @id and r.date < @start_date order by r.date limit 1)
union all
(select 'a register', r.date, r.date from attendance_registers r
where r.academic_year_id = @id and r.date > @end_date order by r.date desc limit 1);

-- name: ListTerms :many
select name, start_date, end_date from terms where academic_year_id = @academic_year_id order by start_date;

-- name: ListHolidays :many
select name, start_date, end_date from holidays where academic_year_id = @academic_year_id order by start_date, name;

-- name: RemoveTerms :exec
delete from terms where academic_year_id = @academic_year_id;

-- name: RemoveHolidays :exec
delete from holidays where academic_year_id = @academic_year_id;

-- name: AddTerms :exec
insert into terms (academic_year_id, name, start_date, end_date)
select @academic_year_id, unnest(@names::text[]), unnest(@start_dates::date[]), unnest(@end_dates::date[]);

-- name: AddHolidays :exec
insert into holidays (academic_year_id, name, start_date, end_date)
select @academic_year_id, unnest(@names::text[]), unnest(@start_dates::date[]), unnest(@end_dates::date[]);

-- name: ListTeachers :many
select u.id, u.first_name, u.last_name,
       array(select s.subject_id from subject_assignments s join subjects j on j.id = s.subject_id
             where s.section_id = a.section_id and s.user_id = a.user_id order by j.name, j.id)::uuid[] as subject_ids
from teaching_assignments a
join users u on u.id = a.user_id
where a.section_id = @section_id
order by u.last_name, u.first_name, u.id;

-- name: ActiveUsers :many
-- Which of these users there are. The lock keeps them until the assignment is made.
select id from users where id = any(@ids::uuid[]) and is_active for share;

-- name: DismissTeachers :exec
delete from teaching_assignments where section_id = @section_id and user_id <> all(@user_ids::uuid[]);

-- name: AssignTeachers :exec
insert into teaching_assignments (section_id, user_id)
select @section_id, unnest(@user_ids::uuid[])
on conflict do nothing;

-- name: ActiveSubjectsOfSection :many
-- Which of these subjects the section's institution teaches. The lock keeps them until the assignment is made.
select j.id from subjects j
where j.id = any(@ids::uuid[]) and j.is_active
  and j.institution_id = (select c.institution_id from sections s join classes c on c.id = s.class_id where s.id = @section_id)
for share of j;

-- name: RemoveSubjectAssignments :exec
delete from subject_assignments where section_id = @section_id;

-- name: AssignSubjects :exec
insert into subject_assignments (section_id, user_id, subject_id)
select @section_id, unnest(@user_ids::uuid[]), unnest(@subject_ids::uuid[]);

-- name: ListSubjects :many
-- plan: up to 12000 rows, there are so few that those in reach, or those behind a page number, are looked for among all
select id, institution_id, name, code, is_active, created_at, updated_at from subjects
where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id))
  and (sqlc.narg(after_id)::uuid is null or (name, id) > (sqlc.narg(after_name)::text, sqlc.narg(after_id)))
order by name, id limit @row_limit offset @row_offset;

-- name: CountSubjects :one
-- plan: up to 10001 rows, counts no further
select count(*) from (select 1 from subjects where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id)) limit @most) as counted;

-- name: GetSubject :one
select id, institution_id, name, code, is_active, created_at, updated_at from subjects where id = @id;

-- name: LockSubject :one
select id, institution_id, name, code, is_active, created_at, updated_at from subjects where id = @id for update;

-- name: CreateSubject :one
insert into subjects (id, institution_id, name, code, is_active)
values (@id, @institution_id, @name, @code, @is_active)
returning id, institution_id, name, code, is_active, created_at, updated_at;

-- name: UpdateSubject :one
update subjects set name = @name, code = @code, is_active = @is_active, updated_at = now()
where id = @id
returning id, institution_id, name, code, is_active, created_at, updated_at;

-- name: UsesOf :one
-- plan: up to 40000 rows, counts in every table that can refer to the row, before a deletion, which is rare
-- What refers to a row of a table, counted by table. The row is locked before: nothing can refer to it in between.
select uses_of(@target::text, @id::uuid)::jsonb as uses;

-- name: DeleteInstitution :exec
delete from institutions where id = @id;

-- name: DeleteAcademicYear :exec
delete from academic_years where id = @id;

-- name: DeleteClass :exec
delete from classes where id = @id;

-- name: DeleteSection :exec
delete from sections where id = @id;

-- name: DeleteSubject :exec
delete from subjects where id = @id;
