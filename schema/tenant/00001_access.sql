-- Users, their roles and sessions.
-- Names of constraints are part of the error mapping: <table>_<column>_<key|fkey|order|check> (see internal/db).
-- +goose Up
create table users (
    id            uuid        not null constraint users_pkey primary key,
    email         text        constraint users_email_key unique constraint users_email_check check (char_length(email) <= 255),
    first_name    text        not null constraint users_first_name_check check (char_length(first_name) between 1 and 100),
    last_name     text        not null constraint users_last_name_check check (char_length(last_name) between 1 and 100),
    password_hash text,
    is_active     boolean     not null default true,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

create table user_roles (
    user_id uuid not null constraint user_roles_user_id_fkey references users (id),
    role    text not null constraint user_roles_role_check check (char_length(role) between 1 and 50),
    constraint user_roles_pkey primary key (user_id, role)
);

create table sessions (
    id         uuid        not null constraint sessions_pkey primary key,
    user_id    uuid        not null constraint sessions_user_id_fkey references users (id),
    token_hash bytea       not null constraint sessions_token_hash_key unique
                           constraint sessions_token_hash_check check (octet_length(token_hash) = 32),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null constraint sessions_expires_at_order check (expires_at > created_at),
    ended_at   timestamptz
);

-- +goose Down
drop table sessions;
drop table user_roles;
drop table users;
