-- The audit trail: every write in this schema leaves an event in the same transaction, whoever wrote it, and no role of the
-- tenant can change or remove one. docs/audit.md is for who reads it.
--
--   any table ──row trigger──> audit_events    what was written, by whom, personal data masked
--                              audit_unsealed  events that have no place in the chain yet
--   seal_audit_events() ─────> audit_seals     their places: each hash covers the one before it and the event's digest
--
-- Tables are audited unless their comment says `audit: none, because ...`. audit_rows(), which internal/tenant calls after the
-- migrations, makes the triggers, so that a new table needs nothing. Of a column the event shows what the column's comment
-- says, or else what is safe for its type:
--   audit: plain            the value; else of numbers, dates, times, ids, booleans, and of text whose check lists its values
--   audit: name|email|phone what is left of one (as contract.Mask); never a default
--   audit: hidden           *** for whatever it is; else of all other types
--   audit: never            nothing, though its change is an event; else of bytea
--   audit: ignored          nothing, and its change is no event; else of generated columns, created_at and updated_at
-- +goose Up
-- For `set search_path from current` below: nobody's temporary table stands before a table of the tenant.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

create table audit_events (
    id             uuid        not null constraint audit_events_pkey primary key, -- in the order of recorded_at
    recorded_at    timestamptz not null,
    action         text        not null constraint audit_events_action_check check (char_length(action) between 1 and 100), -- operation, task or command
    actor_kind     text        not null constraint audit_events_actor_kind_check check (actor_kind in ('user', 'anonymous', 'operator', 'job', 'database')),
    actor_id       uuid,       -- the user
    session_id     uuid,
    remote_address text        constraint audit_events_remote_address_check check (char_length(remote_address) between 1 and 45),
    request_id     text        constraint audit_events_request_id_check check (char_length(request_id) between 1 and 64),
    resource_type  text        not null constraint audit_events_resource_type_check check (char_length(resource_type) between 1 and 63),
    resource_id    uuid,       -- null: of a try to sign in as somebody who is not there
    change         text        not null constraint audit_events_change_check check (change in ('create', 'update', 'delete', 'attempt')),
    before         jsonb,
    after          jsonb,
    -- Goes into the digest of before and after, so that nobody can guess from it what they were once they are erased. Erasing
    -- is to empty these three and to set erased_at: the chain holds without them.
    salt           uuid        default gen_random_uuid(),
    erased_at      timestamptz,
    constraint audit_events_erased_at_check check (erased_at is null and salt is not null or num_nonnulls(before, after, salt) = 0)
);
-- Ids are in the order of time: they are the order of lists, and a span of time is a span of ids.

create table audit_unsealed (
    event_id uuid not null constraint audit_unsealed_pkey primary key
);

create table audit_seals (
    position       bigint      not null constraint audit_seals_pkey primary key, -- from 1, without gaps
    event_id       uuid        not null constraint audit_seals_event_id_key unique,
    content_digest bytea       not null, -- of salt, before and after
    digest         bytea       not null, -- of the event, with the digest of its content in the content's place
    hash           bytea       not null, -- of the hash before it, position, event_id and digest
    sealed_at      timestamptz not null default now()
);

comment on table audit_events is 'audit: none, because it is the trail';
comment on table audit_unsealed is 'audit: none, because it is the trail';
comment on table audit_seals is 'audit: none, because it is the trail';
comment on table guesses is 'audit: none, because it counts tries under digests, and forgets them';
comment on table role_changes is 'audit: none, because it counts changes of roles and user_roles, which are audited';

comment on column users.email is 'audit: email';
comment on column users.first_name is 'audit: name';
comment on column users.last_name is 'audit: name';
comment on column users.password_hash is 'audit: never';
comment on column users.access_version is 'audit: ignored';
comment on column user_roles.role is 'audit: plain';
comment on column roles.name is 'audit: plain';
comment on column roles.name_folded is 'audit: ignored';
comment on column roles.permissions is 'audit: plain';
comment on column sessions.last_used_at is 'audit: ignored';
comment on column sessions.remote_address is 'audit: never';
comment on column sessions.user_agent is 'audit: never';
comment on column institutions.name is 'audit: plain';
comment on column institutions.code is 'audit: plain';
comment on column academic_years.name is 'audit: plain';
comment on column classes.name is 'audit: plain';
comment on column sections.name is 'audit: plain';
comment on column students.admission_number is 'audit: plain';
comment on column students.first_name is 'audit: name';
comment on column students.last_name is 'audit: name';
comment on column students.date_of_birth is 'audit: hidden';
comment on column students.gender is 'audit: hidden';
comment on column students.phone is 'audit: phone';
comment on column students.blood_group is 'audit: hidden';
comment on column students.version is 'audit: ignored';
comment on column guardians.first_name is 'audit: name';
comment on column guardians.last_name is 'audit: name';
comment on column guardians.email is 'audit: email';
comment on column guardians.phone is 'audit: phone';

-- What contract.Mask does: a test holds the two together. In plpgsql, like what calls it, because its expressions are prepared
-- once: those of a query are prepared for every row, which takes longer than the row.
-- +goose StatementBegin
create function audit_mask(mask text, value text) returns text language plpgsql immutable as $$
declare
    at integer;
    digits text;
begin
    if value = '' then
        return '';
    end if;
    case mask
        when 'name' then
            return left(value, 1) || '***';
        when 'email' then
            at := position('@' in value);
            if at > 1 and at < char_length(value) then
                return left(value, 1) || '***@' || substr(value, at + 1, 1) || '***' || coalesce(substring(substr(value, at + 1) from '\.[^.]*$'), '');
            end if;
        when 'phone' then
            digits := regexp_replace(value, '[^0-9]', '', 'g');
            if char_length(digits) >= 7 then
                return '***' || right(digits, 2);
            end if;
        else
    end case;
    return '***';
end
$$;
-- +goose StatementEnd

-- A member of before or after.
-- +goose StatementBegin
create function audit_member(name text, mask text, value jsonb) returns jsonb language plpgsql immutable as $$
begin
    if mask in ('key', 'plain') or value = 'null' then
        return jsonb_build_object(name, value);
    end if;
    return jsonb_build_object(name, audit_mask(mask, value #>> '{}'));
end
$$;
-- +goose StatementEnd

-- A UUID of version 7 (RFC 9562, 6.2, method 3): the microseconds stand in it, and its order is theirs.
-- +goose StatementBegin
create function audit_event_id(at timestamptz) returns uuid language plpgsql volatile as $$
declare
    micros bigint := extract(epoch from at) * 1000000;
begin
    return lpad(to_hex(micros / 1000), 12, '0') || '7' || lpad(to_hex(micros % 1000 * 4096 / 1000), 3, '0')
        || right(translate(gen_random_uuid()::text, '-', ''), 16);
end
$$;
-- +goose StatementEnd

-- Writes an event. Who it is of is said by internal/db, in rollcall.actor. With the rights of who calls: only the functions
-- below have them.
-- +goose StatementBegin
create function audit_record(resource text, resource_id uuid, change text, before jsonb, after jsonb) returns uuid language plpgsql as $$
declare
    actor  jsonb := coalesce(nullif(current_setting('rollcall.actor', true), ''), '{"kind": "database", "action": "sql"}');
    moment timestamptz := clock_timestamp();
    event  uuid := audit_event_id(moment);
begin
    insert into audit_events (id, recorded_at, action, actor_kind, actor_id, session_id, remote_address, request_id,
                              resource_type, resource_id, change, before, after)
    values (event, moment, actor ->> 'action', actor ->> 'kind', (actor ->> 'user')::uuid, (actor ->> 'session')::uuid,
            actor ->> 'address', actor ->> 'request', resource, audit_record.resource_id, audit_record.change, audit_record.before, audit_record.after);
    insert into audit_unsealed (event_id) values (event);
    return event;
end
$$;
-- +goose StatementEnd

-- Writes the event of one row. Arguments: the resource in the API's terms, the column of its id, and as arrays the columns,
-- their names in the API and their masks. By row and not by statement: the service writes row by row, in batches, and
-- before and after come as a pair whatever the table's key.
-- +goose StatementBegin
create function audit_row() returns trigger language plpgsql security definer set search_path from current as $$
declare
    was     jsonb := to_jsonb(old);
    becomes jsonb := to_jsonb(new);
    own     text[] := tg_argv[2];
    names   text[] := tg_argv[3];
    masks   text[] := tg_argv[4];
    before  jsonb := '{}';
    after   jsonb := '{}';
    event   uuid;
begin
    for i in 1 .. cardinality(own) loop
        continue when masks[i] = 'never' or tg_op = 'UPDATE' and masks[i] <> 'key' and was -> own[i] = becomes -> own[i];
        if tg_op = 'UPDATE' or was -> own[i] <> 'null' then
            before := before || audit_member(names[i], masks[i], was -> own[i]);
        end if;
        if tg_op = 'UPDATE' or becomes -> own[i] <> 'null' then
            after := after || audit_member(names[i], masks[i], becomes -> own[i]);
        end if;
    end loop;
    event := audit_record(tg_argv[0], (coalesce(becomes, was) ->> tg_argv[1])::uuid,
                          case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete' end, nullif(before, '{}'), nullif(after, '{}'));
    return null;
end
$$;
-- +goose StatementEnd

-- Writes that somebody tries a password or a code of a user, or of nobody who is there, which takes as long. If it was right,
-- what it was for follows, in the same request.
-- +goose StatementBegin
create function record_attempt(tried uuid) returns void language plpgsql security definer set search_path from current as $$
begin
    perform audit_record('user', (select id from users where id = tried), 'attempt', null, null);
end
$$;
-- +goose StatementEnd

-- first_name is firstName.
-- +goose StatementBegin
create function audit_name(own text) returns text language sql immutable as $$
    select lower(left(own, 1)) || substr(replace(initcap(replace(own, '_', ' ')), ' ', ''), 2)
$$;
-- +goose StatementEnd

-- The tables of this schema that are audited, and how.
-- +goose StatementBegin
create function audited_tables() returns table (audited regclass, resource text, key_column name, own name[], names text[], masks text[])
language sql stable set search_path from current as $$
    select t.oid::regclass,
           audit_name(case when t.relname like '%ies' then left(t.relname, -3) || 'y' when t.relname like '%sses' then left(t.relname, -2)
               when t.relname like '%s' then left(t.relname, -1) else t.relname end),
           (array_agg(a.attname order by array_position(k.conkey, a.attnum)) filter (where a.attnum = any (k.conkey) and a.atttypid = 'uuid'::regtype))[1],
           array_agg(a.attname order by a.attnum) filter (where m.mask <> 'ignored'),
           array_agg(audit_name(a.attname) order by a.attnum) filter (where m.mask <> 'ignored'),
           array_agg(m.mask order by a.attnum) filter (where m.mask <> 'ignored')
    from pg_class t
    left join pg_constraint k on k.conrelid = t.oid and k.contype = 'p'
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    cross join lateral (select case
        when array[a.attnum] = k.conkey then 'never' -- is the event's resource_id
        when col_description(t.oid, a.attnum) ~ '^audit: ' then substring(col_description(t.oid, a.attnum) from '^audit: (\w+)')
        when a.attgenerated <> '' or a.attname in ('created_at', 'updated_at') then 'ignored'
        when a.atttypid = 'bytea'::regtype then 'never'
        when a.attnum = any (k.conkey) and a.atttypid = any ('{uuid,date,integer,smallint,bigint}'::regtype[]) then 'key' -- says which row: always shown
        when a.atttypid = any ('{uuid,boolean,smallint,integer,bigint,numeric,real,double precision,date,time,timestamptz}'::regtype[]) then 'plain'
        when exists (select from pg_constraint l where l.conrelid = t.oid and l.contype = 'c' and l.conkey = array[a.attnum]
                     and pg_get_constraintdef(l.oid) ~ '^CHECK \(\(\w+ = ANY \(ARRAY\[[^()]*\]\)\)\)$') then 'plain'
        else 'hidden' end as mask) m
    where t.relnamespace = current_schema()::regnamespace and t.relkind in ('r', 'p') and not t.relispartition
      and t.relname <> 'goose_db_version' and coalesce(obj_description(t.oid, 'pg_class'), '') !~ '^audit: none, because '
    group by t.oid, t.relname
$$;
-- +goose StatementEnd

-- Gives every audited table its triggers, where they are missing or are not those of its columns and comments any more. An
-- update that changes only what is ignored, such as when a session was last used, does not even call the function.
-- +goose StatementBegin
create function audit_rows() returns void language plpgsql set search_path from current as $$
declare
    item record;
    arguments text[];
    recorded text;
begin
    for item in select * from audited_tables() loop
        if item.key_column is null then
            raise exception 'table % cannot be audited: its primary key has no uuid', item.audited
                using hint = 'give it one, or the comment ''audit: none, because ...''';
        end if;
        arguments := array[item.resource, item.key_column::text, item.own::text, item.names::text, item.masks::text];
        continue when 2 = (select count(*) from pg_trigger g where g.tgrelid = item.audited and g.tgname in ('audit_write', 'audit_update')
            and g.tgargs = (select string_agg(convert_to(a, 'UTF8') || '\x00', '' order by n) from unnest(arguments) with ordinality as x (a, n)));
        select string_agg(quote_literal(a), ', ' order by n) into recorded from unnest(arguments) with ordinality as x (a, n);
        execute format('create or replace trigger audit_write after insert or delete on %s for each row execute function audit_row(%s)', item.audited, recorded);
        execute format('create or replace trigger audit_update after update on %s for each row when (row(%s) is distinct from row(%s)) execute function audit_row(%s)',
            item.audited, (select string_agg(format('old.%I', c), ', ') from unnest(item.own) c),
            (select string_agg(format('new.%I', c), ', ') from unnest(item.own) c), recorded);
    end loop;
end
$$;
-- +goose StatementEnd

-- What the tenant's roles may do with the trail: read it, and that only without a limit. internal/tenant calls it too,
-- whenever it grants.
-- +goose StatementBegin
create function protect_audit() returns void language plpgsql set search_path from current as $$
begin
    execute format('revoke all on audit_events, audit_unsealed, audit_seals from %I, %I, %I',
                   current_schema(), current_schema() || '_limited', current_schema() || '_institutions');
    execute format('grant select on audit_events, audit_unsealed, audit_seals to %I', current_schema());
end
$$;
-- +goose StatementEnd
select protect_audit();

-- A text as bytes that cannot be mistaken for others: its length, and itself.
-- +goose StatementBegin
create function audit_field(value text) returns bytea language sql immutable as $$
    select case when value is null then '\xffffffff' else int4send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') end
$$;
-- +goose StatementEnd

-- Gives events that have no place in the chain the next ones, at most so many, and returns how many. Events count as of
-- their commit, so one with an early time that was committed late comes late. Only who seals waits for another who seals.
-- internal/audit computes the same when it verifies.
-- +goose StatementBegin
create function seal_audit_events(most integer) returns bigint language plpgsql security definer set search_path from current as $$
declare
    head   audit_seals;
    event  audit_events;
    sealed bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended(current_schema() || '.audit_seals', 0));
    select * into head from audit_seals order by position desc limit 1;
    if not found then
        head.position := 0;
        head.hash := decode(repeat('00', 32), 'hex');
    end if;
    for event in select e.* from audit_unsealed u join audit_events e on e.id = u.event_id order by e.id limit most loop
        head.position := head.position + 1;
        head.content_digest := sha256(coalesce(uuid_send(event.salt), '') || audit_field(event.before::text) || audit_field(event.after::text));
        head.digest := sha256(uuid_send(event.id) || int8send((extract(epoch from event.recorded_at) * 1000000)::bigint)
            || audit_field(event.action) || audit_field(event.actor_kind) || audit_field(event.actor_id::text) || audit_field(event.session_id::text)
            || audit_field(event.remote_address) || audit_field(event.request_id) || audit_field(event.resource_type)
            || audit_field(event.resource_id::text) || audit_field(event.change) || head.content_digest);
        head.hash := sha256(head.hash || int8send(head.position) || uuid_send(event.id) || head.digest);
        insert into audit_seals (position, event_id, content_digest, digest, hash)
        values (head.position, event.id, head.content_digest, head.digest, head.hash);
        delete from audit_unsealed where event_id = event.id;
        sealed := sealed + 1;
    end loop;
    return sealed;
end
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
do $$
declare
    item record;
begin
    for item in select tgname as name, tgrelid::regclass as owner from pg_trigger where tgfoid = 'audit_row()'::regprocedure loop
        execute format('drop trigger %I on %s', item.name, item.owner);
    end loop;
end
$$;
-- +goose StatementEnd
drop function seal_audit_events(integer);
drop function audit_field(text);
drop function protect_audit();
drop function audit_rows();
drop function audited_tables();
drop function audit_name(text);
drop function record_attempt(uuid);
drop function audit_row();
drop function audit_record(text, uuid, text, jsonb, jsonb);
drop function audit_event_id(timestamptz);
drop function audit_member(text, text, jsonb);
drop function audit_mask(text, text);
drop table audit_seals;
drop table audit_unsealed;
drop table audit_events;
