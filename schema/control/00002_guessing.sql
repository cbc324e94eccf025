-- The same as schema/tenant/00005_guessing.sql: a query without a schema finds the table of the scope that it runs in.
-- +goose Up
create table control.guesses (
    purpose    text             not null constraint guesses_purpose_check check (purpose in ('login', 'password', 'mfa', 'address')),
    subject    bytea            not null constraint guesses_subject_check check (octet_length(subject) = 32),
    failures   double precision not null constraint guesses_failures_check check (failures >= 0),
    counted_at timestamptz      not null,
    constraint guesses_pkey primary key (purpose, subject)
);
create index guesses_counted_at_idx on control.guesses (counted_at);

-- +goose Down
drop table control.guesses;
