-- Answers to requests with an Idempotency-Key.

-- name: ClaimKey :one
-- Claims a key until the end of the transaction; of all who try at once, one gets true. The others need not wait. Says too
-- whose keys are there for the transaction.
select pg_try_advisory_xact_lock(@lock_id) as claimed, set_config('rollcall.key_owner', @user_id::text, true) as owner;

-- name: FindAnswer :one
-- A statement of its own after ClaimKey, so that it sees what was committed until then.
select request_digest, response from idempotency_keys where user_id = @user_id and key_digest = @key_digest;

-- name: KeepAnswer :exec
insert into idempotency_keys (user_id, key_digest, request_digest, response)
values (@user_id, @key_digest, @request_digest, @response);

-- name: DeleteOldKeys :one
select delete_old_idempotency_keys(@before, @row_limit) as deleted;
