-- Exams, their papers, results, and what was published of them.
-- Marks are numeric without a scale, so that nothing is rounded on its way in; the checks allow two decimal places.
-- +goose Up
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- The bands of an institution's scale: each from its minimum up to that of the next, so there are no gaps and no overlaps.
-- An institution without rows has the default scale (internal/exam/rules.go).
create table grading_bands (
    institution_id uuid    not null constraint grading_bands_institution_id_fkey references institutions (id),
    name           text    not null constraint grading_bands_name_check check (char_length(name) between 1 and 20),
    min_percentage numeric not null constraint grading_bands_min_percentage_check check (min_percentage between 0 and 100 and scale(min_percentage) <= 2),
    points         numeric constraint grading_bands_points_check check (points between 0 and 99.99 and scale(points) <= 2),
    constraint grading_bands_pkey primary key (institution_id, min_percentage),
    constraint grading_bands_name_key unique (institution_id, name)
);

-- An exam is that of one class in one year: it is scheduled, graded and published as one, and the papers are the class's.
create table exams (
    id               uuid        not null constraint exams_pkey primary key,
    institution_id   uuid        not null constraint exams_institution_id_fkey references institutions (id),
    academic_year_id uuid        not null,
    class_id         uuid        not null,
    name             text        not null constraint exams_name_check check (char_length(name) between 1 and 100),
    start_date       date        not null,
    end_date         date        not null constraint exams_end_date_order check (end_date >= start_date),
    status           text        not null default 'draft' constraint exams_status_check check (status in ('draft', 'scheduled', 'completed', 'published')),
    version          bigint      not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    constraint exams_academic_year_id_fkey foreign key (academic_year_id, institution_id) references academic_years (id, institution_id),
    constraint exams_class_id_fkey foreign key (class_id, institution_id) references classes (id, institution_id),
    constraint exams_name_key unique (academic_year_id, class_id, name),
    constraint exams_institution_key unique (id, institution_id)
);

create table exam_papers (
    id             uuid     not null constraint exam_papers_pkey primary key,
    exam_id        uuid     not null,
    institution_id uuid     not null constraint exam_papers_institution_id_fkey references institutions (id),
    subject_id     uuid     not null,
    max_marks      numeric  not null constraint exam_papers_max_marks_check check (max_marks > 0 and max_marks < 10000 and scale(max_marks) <= 2),
    weight         numeric  not null constraint exam_papers_weight_check check (weight > 0 and weight < 10000 and scale(weight) <= 2),
    held_on        date,
    is_elective    boolean  not null default false,
    position       smallint not null,
    constraint exam_papers_exam_id_fkey foreign key (exam_id, institution_id) references exams (id, institution_id),
    constraint exam_papers_subject_id_fkey foreign key (subject_id, institution_id) references subjects (id, institution_id),
    constraint exam_papers_subject_id_key unique (exam_id, subject_id)
);

-- A mark sheet: what one section did in one paper. Who writes results of it changes its version first, and so waits for
-- whoever is writing already; a version that was read tells whether somebody wrote meanwhile.
create table exam_sheets (
    paper_id   uuid   not null constraint exam_sheets_paper_id_fkey references exam_papers (id),
    section_id uuid   not null constraint exam_sheets_section_id_fkey references sections (id),
    version    bigint not null default 1,
    constraint exam_sheets_pkey primary key (paper_id, section_id)
);

create table exam_results (
    paper_id       uuid        not null constraint exam_results_paper_id_fkey references exam_papers (id),
    student_id     uuid        not null constraint exam_results_student_id_fkey references students (id),
    institution_id uuid        not null constraint exam_results_institution_id_fkey references institutions (id),
    marks          numeric     constraint exam_results_marks_check check (marks >= 0 and marks < 10000 and scale(marks) <= 2),
    absent         boolean     not null default false,
    remark         text        constraint exam_results_remark_check check (char_length(remark) between 1 and 200),
    graded_by      uuid        not null constraint exam_results_graded_by_fkey references users (id),
    graded_at      timestamptz not null default now(),
    constraint exam_results_pkey primary key (paper_id, student_id),
    -- Absent is not zero: there are marks, or there is absence.
    constraint exam_results_absent_check check (absent = (marks is null))
);

-- Each publishing of an exam: the first, and one for every correction.
create table exam_publications (
    id             uuid        not null constraint exam_publications_pkey primary key,
    exam_id        uuid        not null,
    institution_id uuid        not null constraint exam_publications_institution_id_fkey references institutions (id),
    version        integer     not null constraint exam_publications_version_check check (version between 1 and 100),
    reason         text        constraint exam_publications_reason_check check (char_length(reason) between 1 and 500),
    published_by   uuid        not null constraint exam_publications_published_by_fkey references users (id),
    published_at   timestamptz not null default now(),
    scale          jsonb       not null, -- the bands that it was graded with; corrections are graded with them too
    constraint exam_publications_exam_id_fkey foreign key (exam_id, institution_id) references exams (id, institution_id),
    constraint exam_publications_version_key unique (exam_id, version),
    constraint exam_publications_correction_check check ((version = 1) = (reason is null))
);

-- What was published of a student. It is read on its own, as it was, whatever has changed since.
create table report_cards (
    publication_id   uuid        not null constraint report_cards_publication_id_fkey references exam_publications (id),
    student_id       uuid        not null constraint report_cards_student_id_fkey references students (id),
    institution_id   uuid        not null constraint report_cards_institution_id_fkey references institutions (id),
    exam_id          uuid        not null constraint report_cards_exam_id_fkey references exams (id),
    version          integer     not null,
    published_at     timestamptz not null,
    academic_year_id uuid        not null,
    class_id         uuid        not null,
    section_id       uuid        not null,
    exam_name        text        not null,
    start_date       date        not null,
    end_date         date        not null,
    subjects         jsonb       not null, -- a list of the document's SubjectResult
    absences         integer     not null,
    total_marks      numeric     not null,
    total_max_marks  numeric     not null,
    percentage       numeric,
    grade            text,
    points           numeric,
    rank             integer,
    attendance       jsonb, -- the document's CardAttendance; none without a marked day
    constraint report_cards_pkey primary key (publication_id, student_id),
    constraint report_cards_version_key unique (student_id, exam_id, version) -- ListStudentResults
);
-- What the audit trail shows (00009_audit.sql).
comment on table report_cards is 'audit: none, because none is ever changed, and the publication that they belong to is an event';
comment on column grading_bands.name is 'audit: plain';
comment on column exams.name is 'audit: plain';
comment on column exams.version is 'audit: ignored';
comment on column exam_sheets.version is 'audit: ignored';

-- Who takes an exam: those who were in its class at a time between its first and its last day. The day of a transfer belongs
-- to where the student went, and one who changed sections meanwhile to the later one.
create view exam_takers with (security_invoker = true) as
select distinct on (x.id, e.student_id) x.id as exam_id, e.student_id, e.section_id, e.roll_number
from exams x
join enrollments e on e.academic_year_id = x.academic_year_id and e.class_id = x.class_id
    and e.started_on <= x.end_date
    and (e.ended_on is null or e.ended_on - (e.status = 'transferred')::integer >= x.start_date)
join sections s on s.id = e.section_id -- a teacher has those of the own sections only
order by x.id, e.student_id, e.started_on desc, e.id desc;

-- What is published stays as it is.
-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed', tg_table_name;
end
$$;
-- +goose StatementEnd
create trigger exam_publications_are_final before update or delete on exam_publications for each row execute function refuse_change();
create trigger report_cards_are_final before update or delete on report_cards for each row execute function refuse_change();

-- A guardian sees of an exam what is scheduled and what is published of the own children; a teacher besides the drafts of
-- the classes taught, and the results of the present students.
-- +goose StatementBegin
create function taught_classes() returns setof uuid language plpgsql stable security definer rows 10 set search_path from current as $$
begin
    return query select class_id from sections where id = any (array(select taught_sections()));
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function taught_students() returns setof uuid language plpgsql stable security definer rows 100 set search_path from current as $$
begin
    return query select student_id from enrollments where status = 'active' and section_id = any (array(select taught_sections()));
end
$$;
-- +goose StatementEnd

alter table grading_bands enable row level security;
alter table exams enable row level security;
alter table exam_papers enable row level security;
alter table exam_sheets enable row level security;
alter table exam_results enable row level security;
alter table exam_publications enable row level security;
alter table report_cards enable row level security;

create policy visible on grading_bands using (institution_id = any (array(select reached_institutions())));
create policy visible on exams
    using (class_id = any (array(select reached_classes())) and (status <> 'draft' or class_id = any (array(select taught_classes()))));
create policy visible on exam_papers using (exists (select from exams x where x.id = exam_id));
create policy visible on exam_sheets
    using (section_id = any (array(select taught_sections()))
           or exists (select from sections s join classes c on c.id = s.class_id
                      where s.id = section_id and c.institution_id = any (array(select limited_institutions()))));
create policy visible on exam_results using (student_id = any (array(select taught_students())));
create policy visible on exam_publications using (exists (select from exams x where x.id = exam_id));
create policy visible on report_cards using (student_id = any (array(select reached_students())));
select protect_rows();

-- +goose Down
drop view exam_takers;
drop table report_cards;
drop table exam_publications;
drop table exam_results;
drop table exam_sheets;
drop table exam_papers;
drop table exams;
drop table grading_bands;
drop function refuse_change();
drop function taught_students();
drop function taught_classes();
