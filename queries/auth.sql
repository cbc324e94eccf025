-- Sign-in and sessions.

-- name: UserForLogin :one
-- The user of an e-mail address, whether active or not: the caller hashes a password either way.
select id, email, first_name, last_name, password_hash, is_active, access_version,
       (select version from role_changes)::bigint as roles_version
from users where email = @email::text;

-- name: RecordSignInAttempt :exec
-- For the audit trail. The zero id is nobody.
select record_sign_in_attempt(@user_id::uuid);

-- name: CreateSession :one
-- Only while the user is active and the password is the one that was compared. The lock makes a sign-in and a change of
-- password wait for each other, so that no session of the old password outlives the change.
with owner as (
    select id from users where users.id = @user_id and is_active and password_hash = @password_hash::text for share
)
insert into sessions (id, user_id, token_hash, expires_at, remote_address, user_agent)
select @id, owner.id, @token_hash, @expires_at, nullif(left(@remote_address::text, 45), ''), nullif(left(@user_agent::text, 200), '')
from owner
returning id, created_at, expires_at;

-- name: LiveSession :one
-- The session of a token, with its user. is_stale says that last_used_at wants to be brought up to date.
select s.id, s.created_at, s.expires_at, u.id as user_id, u.email, u.first_name, u.last_name,
       u.access_version, (select version from role_changes)::bigint as roles_version,
       (s.last_used_at < now() - interval '1 minute')::boolean as is_stale
from sessions s
join users u on u.id = s.user_id
where s.token_hash = @token_hash and s.ended_at is null and s.expires_at > now()
  and s.last_used_at > now() - make_interval(secs => @idle_seconds::float8) and u.is_active;

-- name: TouchSession :exec
update sessions set last_used_at = now() where id = @id;

-- name: ListSessions :many
select id, created_at, last_used_at, expires_at, remote_address, user_agent from sessions
where user_id = @user_id and ended_at is null and expires_at > now() and last_used_at > now() - make_interval(secs => @idle_seconds::float8)
  and (sqlc.narg(after_id)::uuid is null or (created_at, id) < (sqlc.narg(after_created_at)::timestamptz, sqlc.narg(after_id)))
order by created_at desc, id desc limit @row_limit offset @row_offset;

-- name: CountSessions :one
select count(*) from (
    select 1 from sessions
    where user_id = @user_id and ended_at is null and expires_at > now() and last_used_at > now() - make_interval(secs => @idle_seconds::float8) limit @most
) as counted;

-- name: RevokeSession :execrows
-- Ends a session of this user; one that has ended already stays as it is and counts as found.
update sessions set ended_at = coalesce(ended_at, now()) where id = @id and user_id = @user_id;

-- name: EndSession :execrows
update sessions set ended_at = now() where id = @id and ended_at is null;

-- name: PasswordHash :one
select password_hash from users where id = @id and is_active;

-- name: ChangePassword :execrows
-- Only if nobody has changed it since it was compared.
update users set password_hash = @new_hash, updated_at = now() where id = @id and password_hash = @old_hash;

-- name: EndSessionsOfUser :exec
update sessions set ended_at = now() where user_id = @user_id and ended_at is null;

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
-- From where a user has signed in lately.
select distinct remote_address::text from sessions
where user_id = @user_id and created_at > now() - make_interval(secs => @seconds::float8) and remote_address is not null
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
