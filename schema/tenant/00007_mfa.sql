-- Sessions sent as a cookie, the second factor, and when each factor was last given.
-- +goose Up
alter table sessions
    add column transport   text        not null default 'bearer'
                           constraint sessions_transport_check check (transport in ('bearer', 'cookie')),
    add column password_at timestamptz not null default now(), -- when the password was last given
    add column factor_at   timestamptz;                        -- when the second factor was; null: not in this session

-- Those that have not ended, but for the time that one may be unused, which is the service's to say.
create view live_sessions with (security_invoker = true) as
select id, user_id, token_hash, created_at, expires_at, last_used_at, remote_address, user_agent, transport, password_at, factor_at
from sessions
where ended_at is null and expires_at > now()
  and created_at > coalesce(nullif(current_setting('rollcall.sessions_since', true), '')::timestamptz, '-infinity');

create table second_factors (
    user_id       uuid        not null constraint second_factors_pkey primary key
                              constraint second_factors_user_id_fkey references users (id),
    secret_sealed bytea       not null, -- of TOTP (RFC 6238); opens for this user only
    activated_at  timestamptz,          -- null: waits for the first code
    last_step     bigint      not null default 0, -- of the last code that was used: none of this step or before is good
    created_at    timestamptz not null default now()
);

create table recovery_codes (
    user_id   uuid  not null constraint recovery_codes_user_id_fkey references second_factors (user_id) on delete cascade,
    code_hash bytea not null constraint recovery_codes_code_hash_check check (octet_length(code_hash) = 32),
    used_at   timestamptz,
    constraint recovery_codes_pkey primary key (user_id, code_hash)
);

-- +goose Down
drop table recovery_codes;
drop table second_factors;
drop view live_sessions;
alter table sessions
    drop column transport,
    drop column password_at,
    drop column factor_at;
