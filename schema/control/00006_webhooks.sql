-- When to look for webhook deliveries in which tenant, so that nobody has to look into all of them. A transaction that makes
-- some adds a row, and never changes one, for which others would have to wait; the deliverer takes all of a tenant's that
-- are due and leaves one for what is left. internal/webhook explains it.
-- +goose Up
create table control.webhook_wakeups (
    id        bigint      generated always as identity constraint webhook_wakeups_pkey primary key,
    tenant_id uuid        not null, -- no reference: every event of a tenant would lock its row
    due_at    timestamptz not null,
    oldest_at timestamptz not null -- the oldest event that was not delivered, as far as known when the row was written
);
create index webhook_wakeups_due_at_idx on control.webhook_wakeups (due_at);
create index webhook_wakeups_tenant_id_idx on control.webhook_wakeups (tenant_id, due_at);

-- +goose Down
drop table control.webhook_wakeups;
