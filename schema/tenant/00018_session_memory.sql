-- What an instance remembers of a session (internal/auth/memory.go), so that it need not read all of it for every request: how it
-- asks, with the first statement of its transaction, whether that still holds; and how it hears of a change even before.
-- +goose Up
-- For `set search_path from current` below, as in 00008_visibility.sql.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- What a principal is made of, besides the session and its user's id: the text is another one when any of it is. The rows' own
-- versions (xmin) are in it, so nobody has to remember to count a change. Null when the user is not active.
--
-- Both functions have the search_path of who calls, which is this schema: to set it costs as much as a look. One table a
-- statement, each found by its key: of a join the planner makes a new plan for every call.
-- +goose StatementBegin
create function session_state(account uuid, factor_at timestamptz) returns text language plpgsql stable as $$
declare
    account_row xid;
    factor_row  xid;
    roles       bigint;
begin
    select u.xmin into account_row from users u where u.id = account and u.is_active;
    if not found then
        return null;
    end if;
    select f.xmin into factor_row from second_factors f where f.user_id = account;
    select r.version into roles from role_changes r;
    return concat_ws(' ', account_row::text, coalesce(factor_row::text, '-'), roles, factor_at, current_setting('rollcall.require_mfa', true));
end
$$;
-- +goose StatementEnd

-- Fails unless there is such a session, used lately and in this state.
-- +goose StatementBegin
create function hold_session(token bytea, sent_as text, used_within_seconds float8, remembered text) returns void language plpgsql stable as $$
declare
    account   uuid;
    factor_at timestamptz;
begin
    select s.user_id, s.factor_at into account, factor_at from live_sessions s
    where s.token_hash = token and s.transport = sent_as and s.last_used_at > now() - make_interval(secs => used_within_seconds);
    if not found or session_state(account, factor_at) is distinct from remembered then
        raise exception 'what was remembered of a session does not hold' using errcode = 'RC001';
    end if;
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
drop function hold_session(bytea, text, float8, text);
drop function session_state(uuid, timestamptz);
