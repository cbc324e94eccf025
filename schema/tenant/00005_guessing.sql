-- Tries at secrets (passwords, codes) that have not succeeded: they slow the next ones down. control has the same table, for
-- addresses, across tenants.
-- +goose Up
create table guesses (
    purpose    text             not null constraint guesses_purpose_check check (purpose in ('login', 'password', 'mfa', 'address')),
    subject    bytea            not null constraint guesses_subject_check check (octet_length(subject) = 32), -- a digest
    failures   double precision not null constraint guesses_failures_check check (failures >= 0), -- as of counted_at; they fade
    counted_at timestamptz      not null,
    constraint guesses_pkey primary key (purpose, subject)
);

-- +goose Down
drop table guesses;
