-- Students, their enrollments and guardians.
-- A list counts up to @most rows, so that counting is bounded; @after_id selects by keyset instead of by offset.

-- name: PlacesForAdmission :many
-- What an admission refers to, in one round trip: each row found, what it belongs to, whether it takes students. The sections
-- are locked, in one order for all: whoever else admits into one of them waits, and then counts these students too. Others
-- do not.
with locked as (
    select s.id, s.class_id, s.is_active, s.capacity from sections s where s.id = any(@section_ids::uuid[]) order by s.id for no key update
)
select 'institution'::text as kind, i.id, i.id as parent_id, i.is_active, null::date as start_date, null::date as end_date, 0 as capacity
from institutions i where i.id = any(@institution_ids::uuid[])
union all
select 'academicYear', y.id, y.institution_id, y.is_active, y.start_date, y.end_date, 0
from academic_years y where y.id = any(@academic_year_ids::uuid[])
union all
select 'class', c.id, c.institution_id, c.is_active, null, null, 0
from classes c where c.id = any(@class_ids::uuid[])
union all
select 'section', l.id, l.class_id, l.is_active, null, null, l.capacity
from locked l;

-- name: TakenPlaces :many
-- How many students sections have in these years, without one who is about to move; the zero id is nobody.
select academic_year_id, section_id, count(*) as taken from enrollments
where status = 'active' and academic_year_id = any(@academic_year_ids::uuid[]) and section_id = any(@section_ids::uuid[])
  and student_id <> @except_student_id
group by academic_year_id, section_id;

-- name: TakenIdentifiers :many
-- plan: up to 50000 rows, to compare a hundred with everybody is faster in a school of a few thousand
-- Which admission numbers, e-mail addresses, national ids and roll numbers of a batch are in use, by place in the batch
-- (from 1). The arrays have one entry a student; an empty one matches nothing.
select n.place::integer as place, 'admissionNumber'::text as field
from unnest(@admission_numbers::text[]) with ordinality as n(value, place)
join students s on s.institution_id = (@institution_ids::uuid[])[n.place] and s.admission_number = n.value
union all
select m.place::integer, 'email' from unnest(@emails::text[]) with ordinality as m(value, place)
join users u on u.email = m.value
union all
select a.place::integer, 'aadharNumber' from unnest(@aadhar_digests::bytea[]) with ordinality as a(value, place)
join students d on d.aadhar_digest = a.value
union all
select r.place::integer, 'rollNumber' from unnest(@roll_numbers::integer[]) with ordinality as r(value, place)
join enrollments e on e.status = 'active' and e.academic_year_id = (@academic_year_ids::uuid[])[r.place]
  and e.section_id = (@section_ids::uuid[])[r.place] and e.roll_number = r.value
order by 1, 2;

-- name: AdmitUsers :batchexec
insert into users (id, email, first_name, last_name) values (@id, @email, @first_name, @last_name);

-- name: AdmitStudents :batchexec
insert into students (id, user_id, institution_id, admission_number, first_name, last_name, date_of_birth, gender, phone,
                      aadhar_sealed, aadhar_digest, aadhar_last4, admission_date, address, blood_group, custom_fields)
values (@id, @user_id, @institution_id, @admission_number, @first_name, @last_name, @date_of_birth, @gender, @phone,
        @aadhar_sealed, @aadhar_digest, @aadhar_last4, @admission_date, @address, @blood_group, @custom_fields);

-- name: OpenEnrollments :batchexec
insert into enrollments (id, student_id, institution_id, academic_year_id, class_id, section_id, roll_number, started_on)
values (@id, @student_id, @institution_id, @academic_year_id, @class_id, @section_id, @roll_number, @started_on);

-- name: CreateGuardians :batchexec
insert into guardians (id, first_name, last_name, email, phone) values (@id, @first_name, @last_name, @email, @phone);

-- name: LinkGuardians :batchexec
-- A link that is there already becomes what is wished.
insert into student_guardians (student_id, guardian_id, relationship, is_primary, position)
values (@student_id, @guardian_id, @relationship, @is_primary, @position)
on conflict on constraint student_guardians_pkey do update
set relationship = excluded.relationship, is_primary = excluded.is_primary, position = excluded.position;

-- name: GetStudent :one
select * from student_records where id = @id;

-- name: GetStudents :many
select * from student_records where id = any(@ids::uuid[]);

-- name: ListStudentsByName :many
-- The page is found with keys alone, then its rows are read whole: so what is skipped or sorted away costs little. It is an array,
-- and so are the students of a class or section: found first, whatever the planner thinks of how many there are.
-- plan: pattern: up to 30000 rows, a search in an order reads what matches, or what comes before it in the order
-- plan: status: up to 5000 rows, who have left are a few of a hundred in the order of all
-- plan: institution: up to 20000 rows, the students of an institution are looked for in the order of all
-- plan: teacher, guardian: up to 2500 rows, the few within reach may be looked for in the order of an institution's
select r.* from unnest(array(
    select s.id from students s
    where (sqlc.narg(institution_id)::uuid is null or s.institution_id = sqlc.narg(institution_id))
      and (sqlc.narg(class_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.class_id = sqlc.narg(class_id))))
      and (sqlc.narg(section_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.section_id = sqlc.narg(section_id))))
      and (sqlc.narg(status)::text is null or s.status = sqlc.narg(status))
      and (sqlc.narg(pattern)::text is null or s.search_text like lower(sqlc.narg(pattern)))
      and (sqlc.narg(after_id)::uuid is null or (s.last_name, s.first_name, s.id) > (sqlc.narg(after_last_name)::text, sqlc.narg(after_first_name)::text, sqlc.narg(after_id)))
    order by s.last_name, s.first_name, s.id limit @row_limit offset @row_offset
)) as page(id)
join student_records r on r.id = page.id
order by r.last_name, r.first_name, r.id;

-- name: ListStudentsByAdmissionNumber :many
-- plan: pattern: up to 30000 rows, a search in an order reads what matches, or what comes before it in the order
-- plan: status: up to 5000 rows, who have left are a few of a hundred in the order of all
-- plan: institution: up to 20000 rows, the students of an institution are looked for in the order of all
-- plan: teacher, guardian: up to 2500 rows, the few within reach may be looked for in the order of an institution's
select r.* from unnest(array(
    select s.id from students s
    where (sqlc.narg(institution_id)::uuid is null or s.institution_id = sqlc.narg(institution_id))
      and (sqlc.narg(class_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.class_id = sqlc.narg(class_id))))
      and (sqlc.narg(section_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.section_id = sqlc.narg(section_id))))
      and (sqlc.narg(status)::text is null or s.status = sqlc.narg(status))
      and (sqlc.narg(pattern)::text is null or s.search_text like lower(sqlc.narg(pattern)))
      and (sqlc.narg(after_id)::uuid is null or (s.admission_number, s.id) > (sqlc.narg(after_admission_number)::text, sqlc.narg(after_id)))
    order by s.admission_number, s.id limit @row_limit offset @row_offset
)) as page(id)
join student_records r on r.id = page.id
order by r.admission_number, r.id;

-- name: ListStudentsByNewest :many
-- plan: pattern: up to 30000 rows, a search in an order reads what matches, or what comes before it in the order
-- plan: status: up to 5000 rows, who have left are a few of a hundred in the order of all
-- plan: institution: up to 20000 rows, the students of an institution are looked for in the order of all
-- plan: teacher, guardian: up to 2500 rows, the few within reach may be looked for in the order of an institution's
select r.* from unnest(array(
    select s.id from students s
    where (sqlc.narg(institution_id)::uuid is null or s.institution_id = sqlc.narg(institution_id))
      and (sqlc.narg(class_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.class_id = sqlc.narg(class_id))))
      and (sqlc.narg(section_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.section_id = sqlc.narg(section_id))))
      and (sqlc.narg(status)::text is null or s.status = sqlc.narg(status))
      and (sqlc.narg(pattern)::text is null or s.search_text like lower(sqlc.narg(pattern)))
      and (sqlc.narg(after_id)::uuid is null or (s.created_at, s.id) < (sqlc.narg(after_created_at)::timestamptz, sqlc.narg(after_id)))
    order by s.created_at desc, s.id desc limit @row_limit offset @row_offset
)) as page(id)
join student_records r on r.id = page.id
order by r.created_at desc, r.id desc;

-- name: CountStudents :one
-- plan: up to 10500 rows, counts to 10001
-- plan: pattern: up to 30000 rows, a filter beside a search may read more than it keeps
select count(*) from (
    select 1 from students s
    where (sqlc.narg(institution_id)::uuid is null or s.institution_id = sqlc.narg(institution_id))
      and (sqlc.narg(class_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.class_id = sqlc.narg(class_id))))
      and (sqlc.narg(section_id)::uuid is null or s.id = any(array(select e.student_id from enrollments e where e.status = 'active' and e.section_id = sqlc.narg(section_id))))
      and (sqlc.narg(status)::text is null or s.status = sqlc.narg(status))
      and (sqlc.narg(pattern)::text is null or s.search_text like lower(sqlc.narg(pattern)))
    limit @most
) as counted;

-- name: LockStudent :one
-- The student to be changed, with the e-mail address of its user; the version guards against lost updates.
select s.id, s.institution_id, s.user_id, s.admission_number, s.first_name, s.last_name, s.date_of_birth, s.gender, u.email,
       s.phone, s.aadhar_sealed, s.aadhar_digest, s.aadhar_last4, s.admission_date, s.address, s.blood_group,
       s.custom_fields, s.status, s.version
from students s join users u on u.id = s.user_id
where s.id = @id for update of s;

-- name: UpdateStudent :exec
update students set
    admission_number = @admission_number, first_name = @first_name, last_name = @last_name,
    date_of_birth = @date_of_birth, gender = @gender, phone = @phone, aadhar_sealed = @aadhar_sealed,
    aadhar_digest = @aadhar_digest, aadhar_last4 = @aadhar_last4, admission_date = @admission_date, address = @address,
    blood_group = @blood_group, custom_fields = @custom_fields, version = version + 1, updated_at = now()
where id = @id;

-- name: MoveStudent :exec
update students set institution_id = @institution_id, admission_number = @admission_number, status = @status,
    version = version + 1, updated_at = now()
where id = @id;

-- name: UpdateStudentUser :exec
update users set email = @email, first_name = @first_name, last_name = @last_name, updated_at = now() where id = @id;

-- name: CloseEnrollment :execrows
update enrollments set status = @status, ended_on = @ended_on, reason = @reason
where student_id = @student_id and status = 'active';

-- name: LastDayEnrolled :many
-- The day on which the last closed enrollment ended; no row before there is one.
select ended_on from enrollments where student_id = @student_id and ended_on is not null order by ended_on desc limit 1;

-- name: ListEnrollments :many
select id, student_id, institution_id, academic_year_id, class_id, section_id, roll_number, status, started_on, ended_on, reason, created_at
from enrollments
where student_id = @student_id
  and (sqlc.narg(after_id)::uuid is null or (started_on, id) < (sqlc.narg(after_started_on)::date, sqlc.narg(after_id)))
order by started_on desc, id desc limit @row_limit offset @row_offset;

-- name: CountEnrollments :one
select count(*) from (select 1 from enrollments where student_id = @student_id limit @most) as counted;

-- name: StudentExists :one
-- Tells an empty list of a student from the list of no student, which has no row here.
select true as found from students where id = @id;

-- name: ListGuardians :many
select g.id, g.first_name, g.last_name, g.email, g.phone, l.relationship, l.is_primary
from student_guardians l
join guardians g on g.id = l.guardian_id
where l.student_id = @student_id
order by l.is_primary desc, l.position;

-- name: UpdateGuardians :batchexec
update guardians set first_name = @first_name, last_name = @last_name, email = @email, phone = @phone, updated_at = now()
where id = @id;

-- name: UnlinkGuardians :exec
delete from student_guardians where student_id = @student_id and guardian_id = any(@ids::uuid[]);

-- name: DemoteGuardians :exec
-- None is the primary one, so that another can become it.
update student_guardians set is_primary = false where student_id = @student_id and is_primary;

-- name: DeleteLoneGuardians :exec
-- Guardians of nobody any more, who never had a sign-in, are not kept. Whose other children are out of sight is so too.
delete from guardians g
where g.id = any(@ids::uuid[]) and g.user_id is null
  and not exists (select 1 from student_guardians l where l.guardian_id = g.id);

-- name: LinkGuardianUser :exec
-- Gives a guardian a sign-in.
update guardians set user_id = @user_id, updated_at = now() where id = @id;
