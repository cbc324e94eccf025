-- The same as in schema/tenant/00018_session_memory.sql, for what the registry says of all sessions of a tenant.
-- +goose Up
-- +goose StatementBegin
create function control.notify_sessions() returns trigger language plpgsql as $$
begin
    perform pg_notify('rollcall_sessions', 't_' || replace(old.id::text, '-', ''));
    return null;
end
$$;
-- +goose StatementEnd
create trigger sessions_notify after update on control.tenants for each row
    when (row(old.status, old.require_mfa, old.sessions_since) is distinct from row(new.status, new.require_mfa, new.sessions_since))
    execute function control.notify_sessions();

-- +goose Down
drop trigger sessions_notify on control.tenants;
drop function control.notify_sessions();
