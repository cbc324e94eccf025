-- Periodic tasks (schema control), and what they do in a tenant.

-- name: DueTenants :many
-- plan: up to 10000 rows, looks at every tenant
-- The active tenants that a task is due for, those that waited longest first. One that failed is due again sooner. A run
-- without an end is over when it is older than any run may take: its process is gone.
select t.id from control.tenants t
left join control.task_runs r on r.tenant_id = t.id and r.task = @task
where t.status = 'active' and (r.task is null
    or r.started_at <= now() - make_interval(secs => case when r.failures > 0 then least(@retry_seconds::float8, @every_seconds::float8) else @every_seconds end)
       and (r.finished_at is not null or r.started_at <= now() - make_interval(secs => @longest_seconds::float8)))
order by r.started_at nulls first, t.id;

-- name: ClaimRun :one
-- Begins a run if the task is still due: of all who try, one does. The clock is the database's, so that those of the
-- instances need not agree.
insert into control.task_runs as r (task, tenant_id, started_at)
select @task, t.id, now() from control.tenants t where t.id = @tenant_id and t.status = 'active'
on conflict (task, tenant_id) do update set started_at = excluded.started_at, finished_at = null
where r.started_at <= now() - make_interval(secs => case when r.failures > 0 then least(@retry_seconds::float8, @every_seconds::float8) else @every_seconds end)
  and (r.finished_at is not null or r.started_at <= now() - make_interval(secs => @longest_seconds::float8))
returning started_at;

-- name: FinishRun :exec
-- Ends a run, unless a later one has begun.
update control.task_runs set finished_at = now(),
    succeeded_at = case when @succeeded::boolean then now() else succeeded_at end,
    failures = case when @succeeded::boolean then 0 else failures + 1 end
where task = @task and tenant_id = @tenant_id and started_at = @started_at;

-- name: TaskSummaries :many
-- plan: up to 10000 rows, looks at every tenant
-- For each task over all active tenants: the newest run (1970: none yet), the success that is longest ago (a tenant's creation where there
-- was none yet), and how many tenants' last run failed.
select wanted.task::text as task, coalesce(max(r.started_at), 'epoch')::timestamptz as last_run,
       min(coalesce(r.succeeded_at, t.created_at))::timestamptz as oldest_success,
       count(*) filter (where r.failures > 0) as failing
from unnest(@tasks::text[]) as wanted (task)
join control.tenants t on t.status = 'active'
left join control.task_runs r on r.tenant_id = t.id and r.task = wanted.task
group by wanted.task;

-- name: JobCounts :many
-- plan: up to 10000 rows, looks at every job that is not completed
-- How many jobs there are in each queue, and for how many seconds the oldest could have run. Failed ones are kept for an hour.
select queue, state::text as state, count(*), extract(epoch from now() - min(scheduled_at))::float8 as oldest_seconds
from river.river_job where state in ('available', 'cancelled', 'discarded', 'pending', 'retryable', 'running', 'scheduled')
group by queue, state;

-- name: DeleteEndedSessions :execrows
-- Sessions that ended, by whatever cause, before a time: so many at most, and none that somebody is working with.
delete from sessions where id = any(array(
    select s.id from sessions s where least(s.ended_at, s.expires_at) < @before::timestamptz limit @row_limit for update skip locked));
