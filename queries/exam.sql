-- Exams, papers, results, what is published of them, and grading scales.
-- A list counts up to @most rows, so that counting is bounded; @after_id selects by keyset instead of by offset.

-- name: ListExams :many
-- plan: up to 12000 rows, there are a few thousand exams, in the order of their dates
select id, institution_id, academic_year_id, class_id, name, start_date, end_date, status, version, created_at, updated_at from exams
where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id))
  and (sqlc.narg(academic_year_id)::uuid is null or academic_year_id = sqlc.narg(academic_year_id))
  and (sqlc.narg(class_id)::uuid is null or class_id = sqlc.narg(class_id))
  and (sqlc.narg(status)::text is null or status = sqlc.narg(status))
  and (sqlc.narg(after_id)::uuid is null or (start_date, id) < (sqlc.narg(after_start_date)::date, sqlc.narg(after_id)))
order by start_date desc, id desc limit @row_limit offset @row_offset;

-- name: CountExams :one
-- plan: up to 12000 rows, counts to 10001
select count(*) from (select 1 from exams
where (sqlc.narg(institution_id)::uuid is null or institution_id = sqlc.narg(institution_id))
  and (sqlc.narg(academic_year_id)::uuid is null or academic_year_id = sqlc.narg(academic_year_id))
  and (sqlc.narg(class_id)::uuid is null or class_id = sqlc.narg(class_id))
  and (sqlc.narg(status)::text is null or status = sqlc.narg(status))
limit @most) as counted;

-- name: GetExam :one
select id, institution_id, academic_year_id, class_id, name, start_date, end_date, status, version, created_at, updated_at from exams where id = @id;

-- name: LockExam :one
-- For a change of the exam, its publishing and corrections: nobody enters results meanwhile. The turn comes first: a row's own lock is no
-- queue, and those who hold it together can keep one who wants it alone waiting for as long as they follow one another.
with turn as materialized (select pg_advisory_xact_lock(hashtextextended(current_schema() || '.exams ' || @id::uuid, 0)))
select e.id, e.institution_id, e.academic_year_id, e.class_id, e.name, e.start_date, e.end_date, e.status, e.version, e.created_at, e.updated_at from exams e, turn where e.id = @id::uuid for update of e;

-- name: HoldExam :one
-- For entering results, many at once: the exam stays as it is until they are in. They queue behind who waits in LockExam.
with turn as materialized (select pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '.exams ' || @id::uuid, 0)))
select e.id, e.institution_id, e.academic_year_id, e.class_id, e.name, e.start_date, e.end_date, e.status, e.version, e.created_at, e.updated_at from exams e, turn where e.id = @id::uuid for share of e;

-- name: PlaceOfExam :many
-- What an exam refers to, in one round trip.
select 'class'::text as kind, c.institution_id, null::date as start_date, null::date as end_date from classes c where c.id = @class_id
union all
select 'academicYear', y.institution_id, y.start_date, y.end_date from academic_years y where y.id = @academic_year_id;

-- name: CreateExam :one
insert into exams (id, institution_id, academic_year_id, class_id, name, start_date, end_date)
values (@id, @institution_id, @academic_year_id, @class_id, @name, @start_date, @end_date)
returning id, institution_id, academic_year_id, class_id, name, start_date, end_date, status, version, created_at, updated_at;

-- name: UpdateExam :one
update exams set name = @name, start_date = @start_date, end_date = @end_date, status = @status, version = version + 1, updated_at = now()
where id = @id
returning id, institution_id, academic_year_id, class_id, name, start_date, end_date, status, version, created_at, updated_at;

-- name: DeleteExam :exec
delete from exams where id = @id;

-- name: CountResults :one
-- plan: up to 10000 rows, counts the results of an exam
-- How many results an exam has.
select count(*) from exam_results r join exam_papers p on p.id = r.paper_id where p.exam_id = @exam_id;

-- name: ListPapers :many
-- plan: guardian: up to 5000 rows, looks for results that are not there to see
select p.id, p.subject_id, s.name as subject_name, p.max_marks, p.weight, p.held_on, p.is_elective,
       exists (select from exam_results r where r.paper_id = p.id) as has_results
from exam_papers p join subjects s on s.id = p.subject_id
where p.exam_id = @exam_id
order by p.position;

-- name: GetPaper :one
select p.id, p.max_marks from exam_papers p where p.exam_id = @exam_id and p.subject_id = @subject_id;

-- name: SubjectsForPapers :many
-- Which of these subjects there are, and take new papers. The lock keeps them until the papers are written.
select id from subjects where id = any(@ids::uuid[]) and institution_id = @institution_id and is_active for share;

-- name: DeletePapers :exec
delete from exam_papers where exam_id = @exam_id and subject_id <> all(@kept::uuid[]);

-- name: DeleteSheets :exec
-- The versions of mark sheets that have no results, of papers that go.
delete from exam_sheets h using exam_papers p
where p.id = h.paper_id and p.exam_id = @exam_id and p.subject_id <> all(@kept::uuid[]);

-- name: WritePapers :batchexec
-- A paper that is there already becomes what is wished.
insert into exam_papers (id, exam_id, institution_id, subject_id, max_marks, weight, held_on, is_elective, position)
values (@id, @exam_id, @institution_id, @subject_id, @max_marks, @weight, @held_on, @is_elective, @position)
on conflict on constraint exam_papers_subject_id_key do update set
    max_marks = excluded.max_marks, weight = excluded.weight, held_on = excluded.held_on, is_elective = excluded.is_elective,
    position = excluded.position;

-- name: ListResults :many
-- plan: student_ids: up to 2000 rows, looks at a class
-- The mark sheet of a paper: everybody who takes it, or these students of them, with the result where there is one.
select t.student_id, s.first_name, s.last_name, t.section_id, t.roll_number, r.marks, r.absent, r.remark, r.graded_by, r.graded_at
from exam_takers t
join students s on s.id = t.student_id
left join exam_results r on r.paper_id = @paper_id and r.student_id = t.student_id
where t.exam_id = @exam_id
  and (sqlc.narg(section_id)::uuid is null or t.section_id = sqlc.narg(section_id))
  and (sqlc.narg(student_ids)::uuid[] is null or t.student_id = any(sqlc.narg(student_ids)))
  and (sqlc.narg(after_id)::uuid is null or (s.last_name, s.first_name, s.id) > (sqlc.narg(after_last_name)::text, sqlc.narg(after_first_name)::text, sqlc.narg(after_id)))
order by s.last_name, s.first_name, s.id limit @row_limit offset @row_offset;

-- name: CountTakers :one
-- plan: up to 10001 rows, counts the students of a class
select count(*) from (select 1 from exam_takers t
where t.exam_id = @exam_id and (sqlc.narg(section_id)::uuid is null or t.section_id = sqlc.narg(section_id))
limit @most) as counted;

-- name: TakersAmong :many
-- plan: up to 10000 rows, looks at a class
-- In which section each of these students sat the exam.
select student_id, section_id from exam_takers where exam_id = @exam_id and student_id = any(@student_ids::uuid[]);

-- name: SheetVersion :one
-- The version of a section's mark sheet, or of all that are seen together.
select coalesce(sum(version), 0)::bigint from exam_sheets
where paper_id = @paper_id and (sqlc.narg(section_id)::uuid is null or section_id = sqlc.narg(section_id));

-- name: TurnSheets :exec
-- A new version of each of these sections' mark sheets; whoever comes second waits here. In order, so that nobody waits for
-- each other.
insert into exam_sheets (paper_id, section_id)
select @paper_id, s.id from sections s where s.id = any(@section_ids::uuid[]) order by s.id
on conflict on constraint exam_sheets_pkey do update set version = exam_sheets.version + 1;

-- name: RecordResults :exec
insert into exam_results (paper_id, student_id, institution_id, marks, absent, remark, graded_by)
select @paper_id, (@student_ids::uuid[])[n.place], @institution_id,
       case when not (@absent::boolean[])[n.place] then (@marks::numeric[])[n.place] end, (@absent::boolean[])[n.place],
       nullif((@remarks::text[])[n.place], ''), @graded_by
from generate_subscripts(@student_ids::uuid[], 1) as n(place)
on conflict on constraint exam_results_pkey do update set
    marks = excluded.marks, absent = excluded.absent, remark = excluded.remark, graded_by = excluded.graded_by, graded_at = now();

-- name: ListTakers :many
select student_id, section_id from exam_takers where exam_id = @exam_id order by student_id;

-- name: ExamResults :many
-- All results of an exam; no marks is absence.
select r.paper_id, r.student_id, r.marks, r.remark from exam_results r join exam_papers p on p.id = r.paper_id
where p.exam_id = @exam_id;

-- name: AttendanceOfTakers :many
-- On how many days each was marked, and attended, from the first day of the term that the exam ends in, or else of the year, to
-- the exam's last day.
with span as (
    select x.id as exam_id, x.end_date as to_date,
           coalesce((select t.start_date from terms t where t.academic_year_id = x.academic_year_id and x.end_date between t.start_date and t.end_date
                     order by t.start_date limit 1), y.start_date)::date as from_date
    from exams x join academic_years y on y.id = x.academic_year_id where x.id = @exam_id
)
select t.student_id, s.from_date, s.to_date, count(*) as days, count(*) filter (where m.status in ('present', 'late')) as attended
from span s
join exam_takers t on t.exam_id = s.exam_id
join attendance_marks m on m.student_id = t.student_id and m.date between s.from_date and s.to_date
group by t.student_id, s.from_date, s.to_date;

-- name: LatestPublication :one
select version, scale from exam_publications where exam_id = @exam_id order by version desc limit 1;

-- name: CreatePublication :one
insert into exam_publications (id, exam_id, institution_id, version, reason, published_by, scale)
values (@id, @exam_id, @institution_id, @version, @reason, @published_by, @scale)
returning published_at;

-- name: CreateReportCards :batchexec
insert into report_cards (publication_id, student_id, institution_id, exam_id, version, published_at, academic_year_id, class_id, section_id,
                          exam_name, start_date, end_date, subjects, absences, total_marks, total_max_marks, percentage, grade, points, rank, attendance)
values (@publication_id, @student_id, @institution_id, @exam_id, @version, @published_at, @academic_year_id, @class_id, @section_id,
        @exam_name, @start_date, @end_date, @subjects, @absences, @total_marks, @total_max_marks, @percentage, @grade, @points, @rank, @attendance);

-- name: ListPublications :many
select id, version, reason, published_by, published_at from exam_publications
where exam_id = @exam_id and (sqlc.narg(after_version)::integer is null or version < sqlc.narg(after_version))
order by version desc limit @row_limit offset @row_offset;

-- name: CountPublications :one
select count(*) from (select 1 from exam_publications where exam_id = @exam_id limit @most) as counted;

-- name: ListReportCards :many
-- What was published of a student; of each exam the latest version, or the one that is asked for.
select c.* from report_cards c
where c.student_id = @student_id
  and (sqlc.narg(academic_year_id)::uuid is null or c.academic_year_id = sqlc.narg(academic_year_id))
  and (sqlc.narg(exam_id)::uuid is null or c.exam_id = sqlc.narg(exam_id))
  and case when sqlc.narg(version)::integer is null
      then not exists (select from report_cards n where n.student_id = c.student_id and n.exam_id = c.exam_id and n.version > c.version)
      else c.version = sqlc.narg(version) end
  and (sqlc.narg(after_id)::uuid is null or (c.end_date, c.exam_id) < (sqlc.narg(after_end_date)::date, sqlc.narg(after_id)))
order by c.end_date desc, c.exam_id desc limit @row_limit offset @row_offset;

-- name: CountReportCards :one
select count(*) from (select 1 from report_cards c
where c.student_id = @student_id
  and (sqlc.narg(academic_year_id)::uuid is null or c.academic_year_id = sqlc.narg(academic_year_id))
  and (sqlc.narg(exam_id)::uuid is null or c.exam_id = sqlc.narg(exam_id))
  and case when sqlc.narg(version)::integer is null
      then not exists (select from report_cards n where n.student_id = c.student_id and n.exam_id = c.exam_id and n.version > c.version)
      else c.version = sqlc.narg(version) end
limit @most) as counted;

-- name: ListBands :many
select name, min_percentage, points from grading_bands where institution_id = @institution_id order by min_percentage desc;

-- name: HoldInstitution :one
-- Whoever changes the scale queues here first; also tells one without a scale from one that does not exist.
select id from institutions where id = @id for no key update;

-- name: DeleteBands :exec
delete from grading_bands where institution_id = @institution_id;

-- name: CreateBands :batchexec
insert into grading_bands (institution_id, name, min_percentage, points) values (@institution_id, @name, @min_percentage, @points);
