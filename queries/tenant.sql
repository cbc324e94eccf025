-- The registry of tenants (schema control).

-- name: CreateTenant :one
insert into control.tenants (id, slug, name, status) values (@id, @slug, @name, 'provisioning')
on conflict do nothing
returning id, slug, name, status, created_at, updated_at, require_mfa, sessions_since;

-- name: ListTenants :many
-- plan: up to 10000 rows, looks at every tenant
select id, slug, name, status, created_at, updated_at, require_mfa, sessions_since from control.tenants order by slug;

-- name: CountTenants :many
-- plan: up to 10000 rows, looks at every tenant
select status, count(*) from control.tenants group by status;

-- name: TenantBySlug :one
select id, slug, name, status, created_at, updated_at, require_mfa, sessions_since from control.tenants where slug = @slug;

-- name: TenantByID :one
select id, slug, name, status, created_at, updated_at, require_mfa, sessions_since from control.tenants where id = @id;

-- name: UpdateTenant :execrows
update control.tenants set name = coalesce(sqlc.narg(name), name), require_mfa = coalesce(sqlc.narg(require_mfa), require_mfa), updated_at = now()
where id = @id;

-- name: SetTenantStatus :execrows
-- A tenant changes only from a status that the caller expects: one that is half made cannot be resumed. Resuming ends the
-- sessions from before, those of sign-ins that were on their way at the suspension too.
update control.tenants set status = @status, updated_at = now(),
    sessions_since = case when status = 'suspended' and @status = 'active' then now() else sessions_since end
where id = @id and status = any(@expected::text[]);

-- name: NoteKey :one
-- The digest of the installation's key; the first one that is noted stays.
insert into control.installation as i (key_digest) values (@key_digest)
on conflict (only_row) do update set key_digest = i.key_digest
returning key_digest;
