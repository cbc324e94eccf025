-- Students, where they are enrolled, and their guardians.
-- +goose Up
create table students (
    id               uuid        not null constraint students_pkey primary key,
    user_id          uuid        not null constraint students_user_id_key unique
                                 constraint students_user_id_fkey references users (id),
    institution_id   uuid        not null constraint students_institution_id_fkey references institutions (id),
    admission_number text        not null constraint students_admission_number_check check (char_length(admission_number) between 1 and 50),
    first_name       text        not null constraint students_first_name_check check (char_length(first_name) between 1 and 100),
    last_name        text        not null constraint students_last_name_check check (char_length(last_name) between 1 and 100),
    date_of_birth    date,
    gender           text        constraint students_gender_check check (gender in ('female', 'male', 'other', 'undisclosed')),
    phone            text        constraint students_phone_check check (phone ~ '^[0-9 \t\n\f\r+()-]{7,20}$'),
    -- The national id: sealed with the installation's key, a keyed digest for uniqueness, the last four digits to show.
    aadhar_sealed    bytea,
    aadhar_digest    bytea       constraint students_aadhar_number_key unique,
    aadhar_last4     text        constraint students_aadhar_last4_check check (aadhar_last4 ~ '^[0-9]{4}$'),
    admission_date   date        not null,
    address          text        constraint students_address_check check (char_length(address) between 1 and 500),
    blood_group      text        constraint students_blood_group_check check (blood_group in ('A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', 'O+', 'O-')),
    -- At most 50 names and three levels. jsonb prints with spaces after : and , so its text may be longer than the 16 KiB of
    -- a request.
    custom_fields    jsonb       not null default '{}'
                                 constraint students_custom_fields_check check (jsonb_typeof(custom_fields) = 'object' and octet_length(custom_fields::text) <= 32768
                                     and jsonb_array_length(jsonb_path_query_array(custom_fields, '$.keyvalue()')) <= 50
                                     and not jsonb_path_exists(custom_fields, 'strict $.**{3 to last} ? (@.type() == "object" || @.type() == "array")')),
    status           text        not null default 'active' constraint students_status_check check (status in ('active', 'withdrawn')),
    version          bigint      not null default 1,
    search_text      text        not null generated always as (lower(first_name || ' ' || last_name || ' ' || admission_number)) stored,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    constraint students_admission_number_key unique (institution_id, admission_number),
    constraint students_aadhar_check check (num_nulls(aadhar_sealed, aadhar_digest, aadhar_last4) in (0, 3))
);

create table enrollments (
    id               uuid        not null constraint enrollments_pkey primary key,
    student_id       uuid        not null constraint enrollments_student_id_fkey references students (id),
    institution_id   uuid        not null constraint enrollments_institution_id_fkey references institutions (id),
    academic_year_id uuid        not null,
    class_id         uuid        not null,
    section_id       uuid        not null,
    roll_number      integer     constraint enrollments_roll_number_check check (roll_number between 1 and 9999),
    status           text        not null default 'active' constraint enrollments_status_check check (status in ('active', 'transferred', 'withdrawn')),
    started_on       date        not null,
    ended_on         date        constraint enrollments_ended_on_order check (ended_on >= started_on),
    reason           text        constraint enrollments_reason_check check (char_length(reason) between 1 and 500),
    created_at       timestamptz not null default now(),
    constraint enrollments_academic_year_id_fkey foreign key (academic_year_id, institution_id) references academic_years (id, institution_id),
    constraint enrollments_class_id_fkey foreign key (class_id, institution_id) references classes (id, institution_id),
    constraint enrollments_section_id_fkey foreign key (section_id, class_id) references sections (id, class_id),
    constraint enrollments_open_check check ((status = 'active') = (ended_on is null))
);
-- One open enrollment a student, one roll number a section and year.
create unique index enrollments_student_id_key on enrollments (student_id) where status = 'active';
create unique index enrollments_roll_number_key on enrollments (academic_year_id, section_id, roll_number) where status = 'active';

create table guardians (
    id         uuid        not null constraint guardians_pkey primary key,
    user_id    uuid        constraint guardians_user_id_key unique
                           constraint guardians_user_id_fkey references users (id),
    first_name text        not null constraint guardians_first_name_check check (char_length(first_name) between 1 and 100),
    last_name  text        not null constraint guardians_last_name_check check (char_length(last_name) between 1 and 100),
    email      text        constraint guardians_email_check check (char_length(email) <= 255),
    phone      text        constraint guardians_phone_check check (phone ~ '^[0-9 \t\n\f\r+()-]{7,20}$'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table student_guardians (
    student_id   uuid     not null constraint student_guardians_student_id_fkey references students (id),
    guardian_id  uuid     not null constraint student_guardians_guardian_id_fkey references guardians (id),
    relationship text     not null constraint student_guardians_relationship_check
                          check (relationship in ('mother', 'father', 'grandparent', 'sibling', 'guardian', 'other')),
    is_primary   boolean  not null default false,
    position     smallint not null,
    constraint student_guardians_pkey primary key (student_id, guardian_id)
);
create unique index student_guardians_is_primary_key on student_guardians (student_id) where is_primary;

-- What the API calls a student: the row, the e-mail of its user, the open enrollment where there is one.
create view student_records as
select s.id, s.institution_id, s.user_id, s.admission_number, s.first_name, s.last_name, s.date_of_birth, s.gender,
       u.email, s.phone, s.aadhar_last4, s.admission_date, s.address, s.blood_group, s.custom_fields, s.status,
       s.version, s.search_text, s.created_at, s.updated_at,
       e.id as enrollment_id, e.institution_id as enrollment_institution_id, e.academic_year_id, e.class_id,
       e.section_id, e.roll_number, e.started_on
from students s
join users u on u.id = s.user_id
left join enrollments e on e.student_id = s.id and e.status = 'active';

-- +goose Down
drop view student_records;
drop table student_guardians;
drop table guardians;
drop table enrollments;
drop table students;
