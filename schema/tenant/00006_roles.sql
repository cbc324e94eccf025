-- Roles of the school's own, assignments that may be limited to one institution, and the versions that a cached answer to
-- "what may this user do" is kept under. Built-in roles are in openapi.yaml and have no rows here.
-- +goose Up
create table roles (
    id           uuid        not null constraint roles_pkey primary key,
    name         text        not null constraint roles_name_check check (char_length(name) between 1 and 50),
    name_folded  text        not null constraint roles_name_key unique, -- without the difference of upper and lower case
    description  text        constraint roles_description_check check (char_length(description) between 1 and 500),
    permissions  text[]      not null constraint roles_permissions_check check (cardinality(permissions) <= 100 and not '' = any (permissions)
                                 and array_to_string(permissions, ' ') ~ '^([a-z]+(-[a-z]+)*:[a-z]+(-[a-z]+)*( |$))*$' and array_to_string(permissions, ' ') !~ '[^ ]{51}'),
    reach        text        not null constraint roles_reach_check check (reach in ('institutions', 'sections', 'students')),
    requires_mfa boolean     not null default false,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
);

-- An assignment gives a built-in role by its name, or one of the school's own by its id.
alter table user_roles drop constraint user_roles_pkey;
alter table user_roles alter column role drop not null;
alter table user_roles
    add column id             uuid not null default gen_random_uuid() constraint user_roles_pkey primary key,
    add column role_id        uuid constraint user_roles_role_id_fkey references roles (id),
    add column institution_id uuid constraint user_roles_institution_id_fkey references institutions (id),
    add constraint user_roles_kind_check check (num_nonnulls(role, role_id) = 1),
    add constraint user_roles_role_id_key unique nulls not distinct (user_id, role, role_id, institution_id);

-- Versions: each is changed by the transaction that changes what it stands for. The assignments of a user count in the
-- user's own row, so that users do not queue for one another; roles, which change rarely, in one row for all.
alter table users add column access_version bigint not null default 1;
create table role_changes (
    id      boolean not null default true constraint role_changes_pkey primary key constraint role_changes_id_check check (id),
    version bigint  not null default 1
);
insert into role_changes default values;

-- +goose StatementBegin
create function count_role_change() returns trigger language plpgsql set search_path from current as $$
begin
    update role_changes set version = version + 1;
    return null;
end $$;
-- +goose StatementEnd
create trigger roles_count_change after insert or update or delete on roles
    for each statement execute function count_role_change();

-- +goose StatementBegin
create function count_access_change() returns trigger language plpgsql set search_path from current as $$
begin
    update users set access_version = access_version + 1 where id in (select user_id from changed);
    return null;
end $$;
-- +goose StatementEnd
create trigger user_roles_count_insert after insert on user_roles referencing new table as changed
    for each statement execute function count_access_change();
create trigger user_roles_count_delete after delete on user_roles referencing old table as changed
    for each statement execute function count_access_change();
create trigger user_roles_count_update after update on user_roles referencing new table as changed
    for each statement execute function count_access_change();

-- The list of users, and the search in it.
alter table users add column search_text text not null
    generated always as (lower(first_name || ' ' || last_name || coalesce(' ' || email, ''))) stored;

-- +goose Down
alter table users drop column search_text;
drop trigger user_roles_count_update on user_roles;
drop trigger user_roles_count_delete on user_roles;
drop trigger user_roles_count_insert on user_roles;
drop function count_access_change;
drop table role_changes cascade;
alter table users drop column access_version;
delete from user_roles where role is null or institution_id is not null;
alter table user_roles
    drop constraint user_roles_role_id_key,
    drop constraint user_roles_kind_check,
    drop column institution_id,
    drop column role_id,
    drop column id;
alter table user_roles add constraint user_roles_pkey primary key (user_id, role);
drop table roles;
drop function count_role_change;
