-- Sign-in and sessions.

-- name: UserForLogin :one
-- The user of an e-mail address, whether active or not: the caller hashes a password either way.
select id, email, first_name, last_name, password_hash, is_active,
       array(select role from user_roles r where r.user_id = users.id order by role)::text[] as roles
from users where email = @email::text;

-- name: CreateSession :one
insert into sessions (id, user_id, token_hash, expires_at) values (@id, @user_id, @token_hash, @expires_at)
returning id, created_at, expires_at;

-- name: LiveSession :one
select s.id, s.created_at, s.expires_at, u.id as user_id, u.email, u.first_name, u.last_name,
       array(select role from user_roles r where r.user_id = u.id order by role)::text[] as roles
from sessions s
join users u on u.id = s.user_id
where s.token_hash = @token_hash and s.ended_at is null and s.expires_at > now() and u.is_active;

-- name: EndSession :execrows
update sessions set ended_at = now() where id = @id and ended_at is null;

-- name: CreateUser :exec
insert into users (id, email, first_name, last_name, password_hash)
values (@id, @email, @first_name, @last_name, @password_hash);

-- name: GrantRole :exec
insert into user_roles (user_id, role) values (@user_id, @role) on conflict do nothing;
