-- What the registry says of all sessions of a tenant. internal/db reads it with the row that it reads anyway.
-- +goose Up
alter table control.tenants
    add column require_mfa    boolean     not null default false, -- whether every user needs a second factor
    add column sessions_since timestamptz;                        -- sessions that began before have ended: it was suspended meanwhile

-- +goose Down
alter table control.tenants
    drop column require_mfa,
    drop column sessions_since;
