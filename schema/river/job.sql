-- What our queries read of the job queue's table, for sqlc alone: the table itself is made by River's own migrations (internal/tenant/river.go).
create schema river;

create table river.river_job (
    id           bigint      not null,
    state        text        not null, -- there an enum
    queue        text        not null,
    scheduled_at timestamptz not null
);
