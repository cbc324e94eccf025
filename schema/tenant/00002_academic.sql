-- The school's structure. The composite keys let an enrollment prove that its class, section and year belong together.
-- +goose Up
create table institutions (
    id         uuid        not null constraint institutions_pkey primary key,
    name       text        not null constraint institutions_name_key unique
                           constraint institutions_name_check check (char_length(name) between 1 and 100),
    code       text        not null constraint institutions_code_key unique
                           constraint institutions_code_check check (code ~ '^[A-Z0-9-]{1,20}$'),
    is_active  boolean     not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table academic_years (
    id             uuid        not null constraint academic_years_pkey primary key,
    institution_id uuid        not null constraint academic_years_institution_id_fkey references institutions (id),
    name           text        not null constraint academic_years_name_check check (char_length(name) between 1 and 50),
    start_date     date        not null,
    end_date       date        not null constraint academic_years_end_date_order check (end_date > start_date),
    is_current     boolean     not null default false,
    is_active      boolean     not null default true,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    constraint academic_years_name_key unique (institution_id, name),
    constraint academic_years_institution_key unique (id, institution_id)
);
create unique index academic_years_is_current_key on academic_years (institution_id) where is_current;

create table classes (
    id             uuid        not null constraint classes_pkey primary key,
    institution_id uuid        not null constraint classes_institution_id_fkey references institutions (id),
    name           text        not null constraint classes_name_check check (char_length(name) between 1 and 100),
    grade_level    integer     not null constraint classes_grade_level_check check (grade_level between -3 and 20),
    is_active      boolean     not null default true,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    constraint classes_name_key unique (institution_id, name),
    constraint classes_institution_key unique (id, institution_id)
);

create table sections (
    id         uuid        not null constraint sections_pkey primary key,
    class_id   uuid        not null constraint sections_class_id_fkey references classes (id),
    name       text        not null constraint sections_name_check check (char_length(name) between 1 and 50),
    capacity   integer     not null constraint sections_capacity_check check (capacity between 1 and 1000),
    is_active  boolean     not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint sections_name_key unique (class_id, name),
    constraint sections_class_key unique (id, class_id)
);

-- +goose Down
drop table sections;
drop table classes;
drop table academic_years;
drop table institutions;
