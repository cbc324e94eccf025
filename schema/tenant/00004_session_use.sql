-- What a session's owner wants to know of it, and when it was last used: unused ones end.
-- +goose Up
alter table sessions
    add column last_used_at   timestamptz not null default now(),
    add column remote_address text constraint sessions_remote_address_check check (char_length(remote_address) between 1 and 45),
    add column user_agent     text constraint sessions_user_agent_check check (char_length(user_agent) between 1 and 200);

-- +goose Down
alter table sessions
    drop column last_used_at,
    drop column remote_address,
    drop column user_agent;
