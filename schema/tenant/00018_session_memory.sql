-- What an instance remembers of a session (internal/auth/memory.go), so that it need not read all of it for every request: how it
-- asks, with the first statement of its transaction, whether that still holds; and how it hears of a change even before.
-- +goose Up
-- For `set search_path from current` below, as in 00008_visibility.sql.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- What a principal is made of, besides the session and its user's id: the text is another one when any of it is. The rows' own
-- versions (xmin) are in it, so nobody has to remember to count a change. Null when the user is not active. Each row is found by its
-- key, without a join that would have to be planned.
create view session_states with (security_invoker = true) as
select s.*, (
    select concat_ws(' ', u.xmin, coalesce((select f.xmin::text from second_factors f where f.user_id = u.id), '-'),
        (select r.version from role_changes r), s.factor_at, current_setting('rollcall.require_mfa', true))
    from users u where u.id = s.user_id and u.is_active) as state
from live_sessions s;

-- +goose StatementBegin
create function refuse_session() returns void language plpgsql as $$
begin
    raise exception 'what was remembered of a session does not hold' using errcode = 'RC001';
end
$$;
-- +goose StatementEnd

-- Tells all instances of a change when it is committed: the schema, and the user; of all users, the schema alone.
-- +goose StatementBegin
create function notify_sessions() returns trigger language plpgsql set search_path from current as $$
begin
    perform pg_notify('rollcall_sessions', concat_ws(' ', tg_table_schema, to_jsonb(case when tg_op = 'DELETE' then old else new end) ->> tg_argv[0]));
    return null;
end
$$;
-- +goose StatementEnd
create trigger sessions_notify after update on sessions for each row
    when (row(old.token_hash, old.ended_at, old.expires_at, old.factor_at) is distinct from row(new.token_hash, new.ended_at, new.expires_at, new.factor_at))
    execute function notify_sessions('user_id');
create trigger users_notify after update on users for each row
    when (row(old.is_active, old.access_version, old.email, old.first_name, old.last_name) is distinct from row(new.is_active, new.access_version, new.email, new.first_name, new.last_name))
    execute function notify_sessions('id');
create trigger second_factors_notify after insert or update or delete on second_factors for each row execute function notify_sessions('user_id');
create trigger role_changes_notify after update on role_changes for each row execute function notify_sessions();

-- +goose Down
drop trigger role_changes_notify on role_changes;
drop trigger second_factors_notify on second_factors;
drop trigger users_notify on users;
drop trigger sessions_notify on sessions;
drop function notify_sessions();
drop function refuse_session();
drop view session_states;
