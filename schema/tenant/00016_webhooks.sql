-- Domain events (the outbox), who wants to hear of them, and what is to be delivered. An event and its deliveries are written
-- by the transaction that makes it true, so there are none of one that was rolled back (internal/outbox, internal/webhook).
-- +goose Up
create table webhooks (
    id                         uuid        not null constraint webhooks_pkey primary key,
    url                        text        not null constraint webhooks_url_check check (char_length(url) between 10 and 2000 and url ~ '^https?://[!-~]+$'),
    description                text        constraint webhooks_description_check check (char_length(description) between 1 and 200),
    events                     text[]      not null constraint webhooks_events_check check (cardinality(events) between 1 and 20
        and events <@ '{student.admitted,student.updated,student.withdrawn,student.transferred,attendance.marked,results.published}'),
    is_active                  boolean     not null default true,
    disabled_reason            text        constraint webhooks_disabled_reason_check check (disabled_reason in ('gone', 'failing')),
    secret                     bytea       not null, -- sealed, both
    previous_secret            bytea,
    previous_secret_expires_at timestamptz,
    failures                   integer     not null default 0, -- in a row, of the endpoint itself: it does not answer, or with 429 or 5xx
    paused_until               timestamptz not null default now(), -- because of them
    failing_since              timestamptz, -- the first attempt without success, of whatever kind, since the last with
    created_at                 timestamptz not null default now(),
    updated_at                 timestamptz not null default now(),
    constraint webhooks_disabled_check check (not (is_active and disabled_reason is not null)),
    constraint webhooks_previous_secret_check check (num_nulls(previous_secret, previous_secret_expires_at) in (0, 2))
);

comment on column webhooks.url is 'audit: hidden'; -- receivers put their own secrets into it
comment on column webhooks.description is 'audit: plain';
comment on column webhooks.events is 'audit: plain';
comment on column webhooks.failures is 'audit: ignored';
comment on column webhooks.paused_until is 'audit: ignored';
comment on column webhooks.failing_since is 'audit: ignored';

create table outbox_events (
    id         uuid        not null constraint outbox_events_pkey primary key,
    -- The order of events of one subject: their transactions follow one another, because each locks the subject first.
    position   bigint      not null generated always as identity constraint outbox_events_position_key unique,
    type       text        not null constraint outbox_events_type_check check (type ~ '^[a-z]+[.][a-z]+$' and char_length(type) <= 50),
    subject_id uuid        not null,
    data       jsonb       not null constraint outbox_events_data_check check (jsonb_typeof(data) = 'object' and octet_length(data::text) <= 1000),
    created_at timestamptz not null default now()
);

create table webhook_deliveries (
    id              uuid        not null default gen_random_uuid() constraint webhook_deliveries_pkey primary key,
    webhook_id      uuid        not null, -- no reference: every event would lock the few rows that all have in common
    event_id        uuid        not null constraint webhook_deliveries_event_id_fkey references outbox_events (id) on delete cascade,
    subject_id      uuid        not null, -- these two are the event's
    position        bigint      not null,
    status          text        not null default 'pending' constraint webhook_deliveries_status_check check (status in ('pending', 'delivered', 'failed')),
    attempts        integer     not null default 0, -- since it was made, or replayed
    next_attempt_at timestamptz not null default now(), -- while it is pending
    attempted_at    timestamptz,
    delivered_at    timestamptz,
    status_code     integer     constraint webhook_deliveries_status_code_check check (status_code between 100 and 999), -- of the last attempt
    error           text        constraint webhook_deliveries_error_check check (error in ('address', 'connection', 'timeout', 'status')),
    created_at      timestamptz not null default now(),
    constraint webhook_deliveries_event_id_key unique (webhook_id, event_id)
);

comment on table outbox_events is 'audit: none, because what an event tells of is in the trail';
comment on table webhook_deliveries is 'audit: none, because it is a record of its own';

-- Who manages webhooks sees the whole school group; to a limited transaction none are there. It makes events all the same,
-- through the functions below.
alter table webhooks enable row level security;
alter table outbox_events enable row level security;
alter table webhook_deliveries enable row level security;
create policy visible on webhooks using (false);
create policy visible on outbox_events using (false);
create policy visible on webhook_deliveries using (false);

-- For `set search_path from current`, as in 00008_visibility.sql.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Says outside of the tenant that there is something to deliver in it.
-- +goose StatementBegin
create function wake_webhooks() returns void language plpgsql security definer set search_path from current as $$
begin
    insert into control.webhook_wakeups (tenant_id, due_at, oldest_at) values (substr(current_schema(), 3)::uuid, now(), now());
end
$$;
-- +goose StatementEnd

-- Writes events, [{id, type, subject, data}], and a delivery for everybody who wants to hear of one.
-- +goose StatementBegin
create function emit_events(events jsonb) returns void language plpgsql security definer set search_path from current as $$
begin
    with made as (
        insert into outbox_events (id, type, subject_id, data)
            select e.id, e.type, e.subject, e.data from jsonb_to_recordset(emit_events.events) as e (id uuid, type text, subject uuid, data jsonb)
        returning id, type, subject_id, position
    )
    insert into webhook_deliveries (webhook_id, event_id, subject_id, position)
        select w.id, e.id, e.subject_id, e.position from made e join webhooks w on w.is_active and e.type = any (w.events);
    if found then
        perform wake_webhooks();
    end if;
end
$$;
-- +goose StatementEnd
select protect_rows();

-- +goose Down
drop function emit_events(jsonb);
drop function wake_webhooks();
drop table webhook_deliveries;
drop table outbox_events;
drop table webhooks;
