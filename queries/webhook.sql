-- Events, webhooks and their deliveries; the wake-ups are in schema control.

-- name: EmitEvents :exec
select emit_events(@events);

-- name: WakeWebhooks :exec
select wake_webhooks();

-- name: CreateWebhook :one
insert into webhooks (id, url, description, events, is_active, secret)
values (@id, @url, @description, @events, @is_active, @secret)
returning *;

-- name: CountWebhooks :one
select count(*) from webhooks;

-- name: ListWebhooks :many
select * from webhooks order by created_at, id;

-- name: GetWebhook :one
select * from webhooks where id = @id;

-- name: LockWebhook :one
select * from webhooks where id = @id for update;

-- name: UpdateWebhook :one
-- One that was inactive, or leads elsewhere now, begins anew.
update webhooks w set url = @url, description = @description, events = @events, is_active = @is_active,
    disabled_reason = case when @is_active then null else disabled_reason end,
    failures = case when w.is_active and w.url = @url then failures else 0 end,
    paused_until = case when w.is_active and w.url = @url then paused_until else now() end,
    failing_since = case when w.is_active and w.url = @url then failing_since end,
    updated_at = now()
where id = @id
returning *;

-- name: RotateWebhookSecret :one
update webhooks set previous_secret = secret, previous_secret_expires_at = now() + make_interval(secs => @overlap_seconds),
    secret = @secret, updated_at = now()
where id = @id
returning *;

-- name: DeleteWebhook :execrows
-- plan: up to 1000000 rows, its deliveries go with it
-- What an event adds at the same moment is never delivered, and goes with the event.
with deliveries as (delete from webhook_deliveries d where d.webhook_id = @id)
delete from webhooks w where w.id = @id;

-- name: CreateEvent :one
insert into outbox_events (id, type, subject_id, data) values (@id, @type, @subject_id, @data) returning *;

-- name: CreateDelivery :exec
-- A delivery to one webhook alone, whether it is active or wants to hear of such events.
insert into webhook_deliveries (id, webhook_id, event_id, subject_id, position) values (@id, @webhook_id, @event_id, @subject_id, @position);

-- name: GetDelivery :one
select d.*, e.type, e.created_at as event_at from webhook_deliveries d join outbox_events e on e.id = d.event_id
where d.webhook_id = @webhook_id and d.id = @id;

-- name: ListDeliveries :many
-- The latest events first.
select d.*, e.type, e.created_at as event_at from webhook_deliveries d join outbox_events e on e.id = d.event_id
where d.webhook_id = @webhook_id
  and (sqlc.narg(status)::text is null or d.status = sqlc.narg(status))
  and (sqlc.narg(after_id)::uuid is null or (d.position, d.id) < (sqlc.narg(after_position)::bigint, sqlc.narg(after_id)))
order by d.position desc, d.id desc limit @row_limit offset @row_offset;

-- name: CountDeliveries :one
-- plan: up to 30000 rows, counts to 10001, those of a status in a list of all
select count(*) from (select 1 from webhook_deliveries d where d.webhook_id = @webhook_id
  and (sqlc.narg(status)::text is null or d.status = sqlc.narg(status)) limit @most) as counted;

-- name: ReplayDelivery :execrows
update webhook_deliveries set status = 'pending', attempts = 0, next_attempt_at = now(), delivered_at = null
where webhook_id = @webhook_id and id = @id;

-- name: DueWebhooks :many
-- The webhooks that something is to be delivered to now. Only the first of each subject's deliveries can be due.
select w.* from webhooks w
where w.is_active and w.paused_until <= now() and exists (
    select from webhook_deliveries d where d.webhook_id = w.id and d.status = 'pending' and d.next_attempt_at <= now()
      and not exists (select from webhook_deliveries b where b.webhook_id = d.webhook_id and b.subject_id = d.subject_id
                      and b.status = 'pending' and b.position < d.position))
order by w.paused_until, w.id limit @row_limit;

-- name: ClaimDeliveries :many
-- Takes deliveries that are due, the oldest first, for so long that whoever took them is gone if they are due again. Of a
-- subject's only the first is taken, and the next when that one is delivered or given up: this keeps the order.
with due as (
    select d.id from webhook_deliveries d
    where d.webhook_id = @webhook_id and d.status = 'pending' and d.next_attempt_at <= now()
      and not exists (select from webhook_deliveries b where b.webhook_id = d.webhook_id and b.subject_id = d.subject_id
                      and b.status = 'pending' and b.position < d.position)
    order by d.position limit @row_limit for update skip locked)
update webhook_deliveries d
set attempts = attempts + 1, attempted_at = now(), next_attempt_at = now() + make_interval(secs => @lease_seconds)
from outbox_events e
where d.id = any(array(select due.id from due)) and e.id = d.event_id
returning d.id, d.attempts, d.event_id, e.type, e.data, e.created_at as event_at;

-- name: FinishDelivery :exec
-- How an attempt ended, unless a later one has begun.
update webhook_deliveries set status = @status, status_code = sqlc.narg(status_code), error = sqlc.narg(error),
    next_attempt_at = now() + make_interval(secs => @wait_seconds),
    delivered_at = case when @status = 'delivered' then now() end
where id = @id and attempts = @attempts and status = 'pending';

-- name: NoteWebhookSuccess :exec
update webhooks set failures = 0, paused_until = now(), failing_since = null where id = @id and (failures > 0 or failing_since is not null);

-- name: NoteWebhookFailure :one
-- Counts a failure, of the endpoint itself or only of what was sent, and says since when there was no success. Those that
-- were under way when the endpoint was paused do not count.
update webhooks set failing_since = coalesce(failing_since, now()),
    failures = case when not @of_endpoint::boolean then 0 when paused_until > now() then failures else failures + 1 end
where id = @id
returning failures, failing_since;

-- name: PauseWebhook :exec
update webhooks set paused_until = now() + make_interval(secs => @seconds) where id = @id;

-- name: DisableWebhook :exec
update webhooks set is_active = false, disabled_reason = @reason, updated_at = now() where id = @id and is_active;

-- name: NextDelivery :one
-- plan: up to 20000 rows, looks for the events of what is pending, among all while they are few
-- When there is something to be delivered again, and the oldest event that was not.
select count(*) as pending,
       coalesce(min(greatest(first.next_attempt_at, w.paused_until)), now())::timestamptz as due_at,
       coalesce(min(first.event_at), now())::timestamptz as oldest_at
from (select distinct on (d.webhook_id, d.subject_id) d.webhook_id, d.next_attempt_at, e.created_at as event_at
      from webhook_deliveries d join outbox_events e on e.id = d.event_id
      where d.status = 'pending' order by d.webhook_id, d.subject_id, d.position) as first
join webhooks w on w.id = first.webhook_id and w.is_active;

-- name: DeleteOldEvents :execrows
-- Their deliveries go with them.
delete from outbox_events where id in (
    select e.id from outbox_events e where e.created_at < @before::timestamptz limit @row_limit for update skip locked);

-- name: AwakeTenants :many
select distinct w.tenant_id from control.webhook_wakeups w join control.tenants t on t.id = w.tenant_id and t.status = 'active'
where w.due_at <= now() limit @row_limit;

-- name: TakeWakeups :exec
-- All that are due become one for the case that whoever takes them does not come to an end.
with taken as (delete from control.webhook_wakeups where tenant_id = @tenant_id and due_at <= now() returning oldest_at)
insert into control.webhook_wakeups (tenant_id, due_at, oldest_at)
select @tenant_id, now() + make_interval(secs => @lease_seconds), min(oldest_at) from taken having count(*) > 0;

-- name: RemoveLaterWakeups :exec
delete from control.webhook_wakeups where tenant_id = @tenant_id and due_at > now();

-- name: AddWakeup :exec
insert into control.webhook_wakeups (tenant_id, due_at, oldest_at) values (@tenant_id, @due_at, @oldest_at);

-- name: OldestUndelivered :one
-- How old the oldest event is that waits for an active webhook of an active tenant; 0 when none does.
select coalesce(extract(epoch from now() - min(w.oldest_at)), 0)::float8 as seconds
from control.webhook_wakeups w join control.tenants t on t.id = w.tenant_id and t.status = 'active';
