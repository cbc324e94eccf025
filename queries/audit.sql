-- The audit trail, and the chain that shows whether somebody has changed it. schema/tenant/00009_audit.sql writes both.

-- name: ListAuditEvents :many
-- Ids are in the order of time, so from and to are ids as well.
select id, recorded_at, action, actor_kind, actor_id, session_id, remote_address, request_id, resource_type, resource_id, change,
       before, after, erased_at
from audit_events
where (sqlc.narg(from_id)::uuid is null or id >= sqlc.narg(from_id))
  and (sqlc.narg(to_id)::uuid is null or id < sqlc.narg(to_id))
  and (sqlc.narg(actor_id)::uuid is null or actor_id = sqlc.narg(actor_id))
  and (sqlc.narg(action)::text is null or action = sqlc.narg(action))
  and (sqlc.narg(resource_type)::text is null or resource_type = sqlc.narg(resource_type))
  and (sqlc.narg(resource_id)::uuid is null or resource_id = sqlc.narg(resource_id))
  and (sqlc.narg(after_id)::uuid is null or id < sqlc.narg(after_id))
order by id desc limit @row_limit offset @row_offset;

-- name: CountAuditEvents :one
-- plan: up to 20000 rows, counts to 10001
select count(*) from (select 1 from audit_events
where (sqlc.narg(from_id)::uuid is null or id >= sqlc.narg(from_id))
  and (sqlc.narg(to_id)::uuid is null or id < sqlc.narg(to_id))
  and (sqlc.narg(actor_id)::uuid is null or actor_id = sqlc.narg(actor_id))
  and (sqlc.narg(action)::text is null or action = sqlc.narg(action))
  and (sqlc.narg(resource_type)::text is null or resource_type = sqlc.narg(resource_type))
  and (sqlc.narg(resource_id)::uuid is null or resource_id = sqlc.narg(resource_id))
limit @most) as counted;

-- name: SealAuditEvents :one
-- plan: up to 1000 rows, gives many events their places at once
select seal_audit_events(@most::integer) as sealed;

-- name: AuditHead :one
-- The last place of the chain.
select position, hash from audit_seals order by position desc limit 1;

-- name: AuditSeal :one
select position, hash from audit_seals where position = @position;

-- name: SealedAuditEvents :many
-- The chain behind a position, with the events that it covers; what was removed is null.
select s.position, s.event_id, s.content_digest, s.digest, s.hash, (e.id is not null)::boolean as is_there, e.recorded_at, e.action,
       e.actor_kind, e.actor_id, e.session_id, e.remote_address, e.request_id, e.resource_type, e.resource_id, e.change,
       convert_to(e.before::text, 'UTF8') as before, convert_to(e.after::text, 'UTF8') as after, e.salt, (e.erased_at is not null)::boolean as is_erased
from audit_seals s left join audit_events e on e.id = s.event_id
where s.position > @after_position and s.position <= @last_position::bigint
order by s.position limit @row_limit;

-- name: MovedAuditSeals :many
-- plan: up to 5000000 rows, computes every hash of a chain that somebody has changed
-- The event that belongs to a place where another one stands: whose hash, computed for that place, is stored with it or there.
select position, event_id from audit_seals
where sha256(@previous_hash::bytea || int8send(@position::bigint) || uuid_send(event_id) || digest) in (hash, @hash_there::bytea)
limit 1;

-- name: AuditEventPlaces :many
-- Events in the order of their ids, each with whether it has a place in the chain or waits for one.
select e.id, (s.event_id is not null)::boolean as is_sealed, (u.event_id is not null)::boolean as is_waiting
from audit_events e
left join audit_seals s on s.event_id = e.id
left join audit_unsealed u on u.event_id = e.id
where e.id > @after_id order by e.id limit @row_limit;

-- name: LostAuditEvents :many
-- plan: up to 20000 rows, looks at every event that waits, when somebody verifies the chain
-- Those that wait for a place and are gone.
select u.event_id from audit_unsealed u left join audit_events e on e.id = u.event_id where e.id is null order by u.event_id limit 1;
