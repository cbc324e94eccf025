-- Users, roles, and who has which. What a signed-in user may do is in auth.sql.

-- name: ListUsers :many
-- plan: pattern, role_id: up to 250000 rows, a search, or the users of a role, in an order: reads what matches, or what comes before it
select id, email, first_name, last_name, is_active, created_at, updated_at from users
where (sqlc.narg(pattern)::text is null or search_text like lower(sqlc.narg(pattern)))
  and (sqlc.narg(is_active)::boolean is null or is_active = sqlc.narg(is_active))
  and (sqlc.narg(role_id)::uuid is null
       or exists (select from user_roles a where a.user_id = users.id and (a.role_id = sqlc.narg(role_id) or a.role = @role::text)))
  and (sqlc.narg(after_id)::uuid is null
       or (last_name, first_name, id) > (sqlc.narg(after_last_name)::text, sqlc.narg(after_first_name)::text, sqlc.narg(after_id)))
order by last_name, first_name, id limit @row_limit offset @row_offset;

-- name: CountUsers :one
-- plan: up to 10001 rows, counts no further
-- plan: pattern, role_id: up to 250000 rows, a filter beside a search or a role may read more than it keeps
select count(*) from (
    select 1 from users
    where (sqlc.narg(pattern)::text is null or search_text like lower(sqlc.narg(pattern)))
      and (sqlc.narg(is_active)::boolean is null or is_active = sqlc.narg(is_active))
      and (sqlc.narg(role_id)::uuid is null
           or exists (select from user_roles a where a.user_id = users.id and (a.role_id = sqlc.narg(role_id) or a.role = @role::text)))
    limit @most
) as counted;

-- name: GetUser :one
select id, email, first_name, last_name, is_active, created_at, updated_at from users where id = @id;

-- name: LockUser :one
select id, email, first_name, last_name, is_active, created_at, updated_at from users where id = @id for update;

-- name: UpdateUser :exec
update users set email = @email, first_name = @first_name, last_name = @last_name, is_active = @is_active, updated_at = now()
where id = @id;

-- name: AssignmentsOf :many
-- The assignments of users. role_name is set for both kinds of roles, role_id for the school's own.
select a.user_id, a.role_id, coalesce(a.role, r.name)::text as role_name, a.institution_id
from user_roles a left join roles r on r.id = a.role_id
where a.user_id = any(@user_ids::uuid[])
order by role_name, a.institution_id nulls first;

-- name: RemoveAssignments :exec
delete from user_roles where user_id = @user_id;

-- name: Assign :batchexec
insert into user_roles (user_id, role, role_id, institution_id) values (@user_id, @role, @role_id, @institution_id);

-- name: LockRoles :one
-- Whoever changes roles, or takes rights away from a user, waits here for the others: what they decide on (is there
-- another administrator, how many roles are there) then holds until they commit.
select version from role_changes for update;

-- name: ListRoles :many
select id, name, name_folded, description, permissions, reach, requires_mfa, created_at, updated_at from roles
order by name_folded, id;

-- name: GetRole :one
select id, name, name_folded, description, permissions, reach, requires_mfa, created_at, updated_at from roles where id = @id;

-- name: GetRoles :many
select id, name, name_folded, description, permissions, reach, requires_mfa, created_at, updated_at from roles
where id = any(@ids::uuid[]);

-- name: CountRoles :one
select count(*) from roles;

-- name: CreateRole :one
insert into roles (id, name, name_folded, description, permissions, reach, requires_mfa)
values (@id, @name, @name_folded, @description, @permissions, @reach, @requires_mfa)
returning id, name, name_folded, description, permissions, reach, requires_mfa, created_at, updated_at;

-- name: UpdateRole :one
update roles set name = @name, name_folded = @name_folded, description = @description, permissions = @permissions,
    reach = @reach, requires_mfa = @requires_mfa, updated_at = now()
where id = @id
returning id, name, name_folded, description, permissions, reach, requires_mfa, created_at, updated_at;

-- name: DeleteRole :execrows
delete from roles where id = @id;

-- name: LockRole :one
-- The lock keeps new assignments of the role out until the transaction ends.
select id, name, name_folded, description, permissions, reach, requires_mfa, created_at, updated_at from roles
where id = @id for update;

-- name: CountUsersOfRole :one
-- plan: up to 100000 rows, counts who would lose the role, which is rarely deleted
select count(distinct user_id) from user_roles where role_id = @role_id;

-- name: HasAdministrator :one
-- Whether somebody who can sign in may change users and roles in the whole school group. The arguments are the built-in
-- roles that reach so far and hold the permission.
select exists (
    select from users u
    where u.id = any(array(
        select a.user_id from user_roles a
        where a.institution_id is null and (a.role = any(@writing_users::text[]) or a.role_id = any(array(
            select r.id from roles r where r.reach = 'institutions' and 'users:write' = any(r.permissions))))))
      and u.is_active and u.email is not null and u.password_hash is not null
      and exists (
        select from user_roles a
        where a.user_id = u.id and a.institution_id is null and (a.role = any(@writing_roles::text[]) or a.role_id = any(array(
            select r.id from roles r where r.reach = 'institutions' and 'roles:write' = any(r.permissions)))))
) as found;
