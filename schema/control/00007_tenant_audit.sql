-- What an operator changes of a tenant is an event of that tenant's own trail (schema/tenant/00009_audit.sql), in the same transaction.
-- A tenant that is being made has no trail yet: its first event is its activation.
-- +goose Up
-- +goose StatementBegin
create function control.audit_tenant() returns trigger language plpgsql as $$
declare
    own     text := quote_ident('t_' || replace(new.id::text, '-', ''));
    path    text := current_setting('search_path');
    created boolean := old.status = 'provisioning';
begin
    if to_regprocedure(own || '.audit_record(text, uuid, text, jsonb, jsonb)') is null then
        return null; -- its schema is not made yet, or is older than the trail
    end if;
    perform set_config('search_path', own || ', pg_temp', true);
    perform audit_record('tenant', new.id, case when created then 'create' else 'update' end,
        case when not created then jsonb_build_object('name', old.name, 'status', old.status, 'requireMfa', old.require_mfa) end,
        jsonb_build_object('name', new.name, 'status', new.status, 'requireMfa', new.require_mfa));
    perform set_config('search_path', path, true);
    return null;
end
$$;
-- +goose StatementEnd
create trigger audit_write after update on control.tenants for each row
    when (row(old.name, old.status, old.require_mfa) is distinct from row(new.name, new.status, new.require_mfa))
    execute function control.audit_tenant();

-- +goose Down
drop trigger audit_write on control.tenants;
drop function control.audit_tenant();
