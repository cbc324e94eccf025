-- When the periodic tasks last ran for each tenant (internal/jobs). One row a task and tenant, overwritten by each run.
-- +goose Up
create table control.task_runs (
    task         text        not null constraint task_runs_task_check check (char_length(task) between 1 and 50),
    tenant_id    uuid        not null constraint task_runs_tenant_id_fkey references control.tenants (id) on delete cascade,
    started_at   timestamptz not null,
    finished_at  timestamptz,          -- null: it runs, or the process that ran it is gone
    succeeded_at timestamptz,          -- the end of the last run without an error
    failures     integer     not null default 0 constraint task_runs_failures_check check (failures >= 0), -- since then
    constraint task_runs_pkey primary key (task, tenant_id)
);

-- +goose Down
drop table control.task_runs;
