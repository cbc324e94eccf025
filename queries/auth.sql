-- Sign-in and sessions.

-- name: UserForLogin :one
-- The user of an e-mail address, whether active or not: the caller hashes a password either way.
select id, email, first_name, last_name, password_hash, is_active, access_version,
       (select version from role_changes)::bigint as roles_version,
       exists (select from second_factors f where f.user_id = users.id and f.activated_at is not null)::boolean as has_factor,
       (coalesce(current_setting('rollcall.require_mfa', true), '') = 'true')::boolean as tenant_requires_mfa
from users where email = @email::text;

-- name: RecordAttempt :exec
-- For the audit trail: somebody tries a password or a code of a user. The zero id is nobody.
select record_attempt(@user_id::uuid);

-- name: CreateSession :one
-- Only while the user is active and the password is the one that was compared. The lock makes a sign-in and a change of
-- password wait for each other, so that no session of the old password outlives the change.
with owner as (
    select id from users where users.id = @user_id and is_active and password_hash = @password_hash::text for share
)
insert into sessions (id, user_id, token_hash, transport, expires_at, remote_address, user_agent)
select @id, owner.id, @token_hash, @transport, @expires_at, nullif(left(@remote_address::text, 45), ''), nullif(left(@user_agent::text, 200), '')
from owner
returning id, created_at, expires_at;

-- name: LiveSession :one
-- The session of a token, with its user. is_stale says that last_used_at wants to be brought up to date; is_fresh that the
-- second factor, of a user without one the password, was given lately.
select s.id, s.created_at, s.expires_at, u.id as user_id, u.email, u.first_name, u.last_name,
       u.access_version, (select version from role_changes)::bigint as roles_version,
       (s.last_used_at < now() - interval '1 minute')::boolean as is_stale,
       (f.user_id is not null)::boolean as has_factor,
       coalesce(s.factor_at >= f.activated_at, false)::boolean as factor_given,
       coalesce(case when f.user_id is null then s.password_at else s.factor_at end
                > now() - make_interval(secs => @fresh_seconds::float8), false)::boolean as is_fresh,
       (coalesce(current_setting('rollcall.require_mfa', true), '') = 'true')::boolean as tenant_requires_mfa,
       coalesce(s.state, '')::text as state
from session_states s
join users u on u.id = s.user_id
left join second_factors f on f.user_id = u.id and f.activated_at is not null
where s.token_hash = @token_hash and s.transport = @transport
  and s.last_used_at > now() - make_interval(secs => @idle_seconds::float8) and u.is_active;

-- name: HoldSession :exec
-- Fails, with RC001, unless there is such a session, used lately and in the state that was remembered.
select case when (
    select s.state from session_states s
    where s.token_hash = @token_hash and s.transport = @transport and s.last_used_at > now() - make_interval(secs => @used_within_seconds::float8)
) is distinct from @state::text then refuse_session() end;

-- name: TouchSession :exec
update sessions set last_used_at = now() where id = @id;

-- name: RotateSession :one
-- Gives a session another token, which ends the present one, and notes the factor that was given for it. Of many at once
-- one succeeds; none does when the session has ended.
update sessions set token_hash = @new_hash, last_used_at = now(),
    expires_at = created_at + make_interval(secs => @lifetime_seconds::float8),
    password_at = case when @password_given::boolean then now() else password_at end,
    factor_at = case when @factor_given::boolean then now() else factor_at end
where id = @id and token_hash = @old_hash and ended_at is null
returning id, created_at, expires_at;

-- name: ListSessions :many
select id, created_at, last_used_at, expires_at, remote_address, user_agent, transport from live_sessions
where user_id = @user_id and last_used_at > now() - make_interval(secs => @idle_seconds::float8)
  and (sqlc.narg(after_id)::uuid is null or (created_at, id) < (sqlc.narg(after_created_at)::timestamptz, sqlc.narg(after_id)))
order by created_at desc, id desc limit @row_limit offset @row_offset;

-- name: CountSessions :one
select count(*) from (
    select 1 from live_sessions
    where user_id = @user_id and last_used_at > now() - make_interval(secs => @idle_seconds::float8) limit @most
) as counted;

-- name: RevokeSession :execrows
-- Ends a session of this user; one that has ended already stays as it is and counts as found.
update sessions set ended_at = coalesce(ended_at, now()) where id = @id and user_id = @user_id;

-- name: EndSession :execrows
update sessions set ended_at = now() where id = @id and ended_at is null;

-- name: EndSessionOfToken :exec
update sessions set ended_at = now() where token_hash = @token_hash and transport = @transport and ended_at is null;

-- name: PasswordHash :one
select password_hash from users where id = @id and is_active;

-- name: ChangePassword :execrows
-- Only if nobody has changed it since it was compared.
update users set password_hash = @new_hash, updated_at = now() where id = @id and password_hash = @old_hash;

-- name: EndSessionsOfUser :exec
update sessions set ended_at = now() where user_id = @user_id and ended_at is null;

-- name: EndOtherSessions :exec
update sessions set ended_at = now() where user_id = @user_id and id <> @id and ended_at is null;

-- name: CreateUser :exec
insert into users (id, email, first_name, last_name, password_hash)
values (@id, @email, @first_name, @last_name, @password_hash);

-- name: GrantRole :exec
-- Gives a built-in role without a limit.
insert into user_roles (user_id, role) values (@user_id, @role::text) on conflict do nothing;

-- name: GrantsOf :many
-- The assignments of a user. A built-in role has its name in role and is in the document with all else; of the school's
-- own roles the rest is here.
select a.role, a.institution_id, r.name, r.permissions, r.reach, r.requires_mfa
from user_roles a left join roles r on r.id = a.role_id
where a.user_id = @user_id;

-- name: KnownAddresses :many
-- From where a user has signed in lately; with the second factor, if that is asked for.
select distinct remote_address::text from sessions
where user_id = @user_id and created_at > now() - make_interval(secs => @seconds::float8) and remote_address is not null
  and (factor_at is not null or not @with_factor::boolean)
limit 200;

-- name: ClaimGuess :execrows
-- Counts a try as failed, unless its subject is still delayed: then no row, and nothing changes. Failures fade, one in
-- fade_seconds. From the free-th on each is followed by a delay, which doubles. The row's lock puts tries at the same time
-- into an order, so that the clock must be the true one and not the transaction's.
insert into guesses (purpose, subject, failures, counted_at) values (@purpose, @subject, 1, clock_timestamp())
on conflict (purpose, subject) do update
set failures = least(sqlc.arg(most)::float8, 1 + greatest(0, guesses.failures - extract(epoch from clock_timestamp() - guesses.counted_at)::float8 / sqlc.arg(fade_seconds)::float8)),
    counted_at = clock_timestamp()
where guesses.counted_at + make_interval(secs => case when ceil(guesses.failures) < sqlc.arg(free)::float8 then 0
          else least(sqlc.arg(longest_seconds)::float8, sqlc.arg(first_seconds)::float8 * power(2, ceil(guesses.failures) - sqlc.arg(free)::float8)) end) <= clock_timestamp();

-- name: ReturnGuess :exec
-- A claimed try that succeeded, where the other failures of its subject stay.
update guesses set failures = greatest(0, failures - 1) where purpose = @purpose and subject = @subject;

-- name: ForgetGuesses :exec
delete from guesses where purpose = @purpose and subject = @subject;

-- name: DeleteOldGuesses :execrows
-- Those that nobody has added to since: so many at most, and none that somebody is adding to.
delete from guesses where (purpose, subject) in (
    select g.purpose, g.subject from guesses g where g.counted_at < @before::timestamptz limit @row_limit for update skip locked);

-- name: EnrollFactor :execrows
-- A secret that waits for its first code takes the place of one that waits; an active one stays.
insert into second_factors (user_id, secret_sealed) values (@user_id, @secret_sealed)
on conflict (user_id) do update set secret_sealed = excluded.secret_sealed, last_step = 0, created_at = now()
where second_factors.activated_at is null;

-- name: SecondFactor :one
select secret_sealed, (activated_at is not null)::boolean as is_active from second_factors where user_id = @user_id;

-- name: ActivateFactor :execrows
-- Only the secret that the code was compared with, and once.
update second_factors set activated_at = now(), last_step = @step
where user_id = @user_id and secret_sealed = @secret_sealed and activated_at is null;

-- name: UseStep :execrows
-- Uses up the code of a step, and those of the steps before it: of many who have the code at once one succeeds.
update second_factors set last_step = @step
where user_id = @user_id and secret_sealed = @secret_sealed and activated_at is not null and last_step < @step;

-- name: CreateRecoveryCodes :exec
insert into recovery_codes (user_id, code_hash) select @user_id, unnest(@code_hashes::bytea[]);

-- name: UseRecoveryCode :execrows
update recovery_codes set used_at = now()
where user_id = @user_id and code_hash = @code_hash and used_at is null;

-- name: RemoveFactor :one
delete from second_factors where user_id = @user_id returning (activated_at is not null)::boolean as was_active;

-- name: UserByEmail :one
select id from users where email = @email::text;
