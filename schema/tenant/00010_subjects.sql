-- Subjects, and what the answer to a refused deletion says.
-- +goose Up
create table subjects (
    id             uuid        not null constraint subjects_pkey primary key,
    institution_id uuid        not null constraint subjects_institution_id_fkey references institutions (id),
    name           text        not null constraint subjects_name_check check (char_length(name) between 1 and 100),
    code           text        not null constraint subjects_code_check check (code ~ '^[A-Z0-9-]{1,20}$'),
    is_active      boolean     not null default true,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    constraint subjects_name_key unique (institution_id, name),
    constraint subjects_code_key unique (institution_id, code),
    constraint subjects_institution_key unique (id, institution_id)
);

comment on column subjects.name is 'audit: plain';
comment on column subjects.code is 'audit: plain';

alter table subjects enable row level security;
create policy visible on subjects using (institution_id = any (array(select reached_institutions())));

-- How many rows of which tables refer to a row, as an object of counts; a table that has none is left out. It asks the
-- catalogue for the foreign keys, so a new table is counted by having one. Counted up to 10,000, and only what the caller
-- sees.
-- +goose StatementBegin
create function uses_of(target text, id uuid) returns jsonb language plpgsql stable as $$
declare
    item record;
    uses bigint;
    found jsonb := '{}';
begin
    for item in
        select r.relname as referrer, a.attname as attribute
        from pg_constraint c
        join pg_class r on r.oid = c.conrelid
        join pg_class t on t.oid = c.confrelid and t.relname = target
        join pg_attribute i on i.attrelid = t.oid and i.attname = 'id' and i.attnum = any (c.confkey)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[array_position(c.confkey, i.attnum)]
        where c.contype = 'f' and c.connamespace = current_schema()::regnamespace
    loop
        execute format('select count(*) from (select from %I where %I = $1 limit 10000) as counted', item.referrer, item.attribute)
            into uses using id;
        if uses > 0 then
            found := found || jsonb_build_object(item.referrer, uses + coalesce((found ->> item.referrer)::bigint, 0));
        end if;
    end loop;
    return found;
end
$$;
-- +goose StatementEnd
select protect_rows();

-- +goose Down
drop function uses_of(text, uuid);
drop table subjects;
