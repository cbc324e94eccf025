-- Answers to requests with an Idempotency-Key, written by the transaction that has the effect (internal/idempotency). Keys
-- may be anything a client makes up, so only digests of them are here, and the answers, which hold personal data, are sealed.
-- No foreign key to users: the lock that it takes on the user would deadlock with changes of that user.
-- +goose Up
create table idempotency_keys (
    user_id        uuid        not null,
    key_digest     bytea       not null constraint idempotency_keys_key_digest_check check (octet_length(key_digest) = 32),
    request_digest bytea       not null constraint idempotency_keys_request_digest_check check (octet_length(request_digest) = 32),
    response       bytea       not null constraint idempotency_keys_response_check check (octet_length(response) <= 17000000),
    created_at     timestamptz not null default now(),
    constraint idempotency_keys_pkey primary key (user_id, key_digest)
);
comment on table idempotency_keys is 'audit: none, because the effect that an answer belongs to is in the trail';

-- A key is its user's, whatever role the transaction has: the setting says whose keys are there for it, none without it.
alter table idempotency_keys enable row level security;
create policy visible on idempotency_keys using (true);
create policy of_owner on idempotency_keys as restrictive
    using (user_id = nullif(current_setting('rollcall.key_owner', true), '')::uuid);

-- For `set search_path from current`, as in 00008_visibility.sql.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Old ones of all users; so many at most.
-- +goose StatementBegin
create function delete_old_idempotency_keys(before timestamptz, row_limit integer) returns bigint
    language sql security definer set search_path from current as $$
    with deleted as (
        delete from idempotency_keys where (user_id, key_digest) in (
            select k.user_id, k.key_digest from idempotency_keys k where k.created_at < before limit row_limit for update skip locked)
        returning 1)
    select count(*) from deleted
$$;
-- +goose StatementEnd
select protect_rows();

-- +goose Down
drop function delete_old_idempotency_keys(timestamptz, integer);
drop table idempotency_keys;
