-- The registry of tenants. Tenant tables never refer to it, so that the tenants can be spread over machines.
-- +goose Up
create schema if not exists control; -- there already when goose keeps its table in it; sqlc reads it here
create schema if not exists ext;
create extension if not exists pg_trgm with schema ext;

create table control.tenants (
    id         uuid        not null constraint tenants_pkey primary key,
    slug       text        not null constraint tenants_slug_key unique
                           constraint tenants_slug_check check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name       text        not null constraint tenants_name_check check (char_length(name) between 1 and 200),
    status     text        not null constraint tenants_status_check check (status in ('provisioning', 'active', 'suspended')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- +goose Down
drop table control.tenants;
