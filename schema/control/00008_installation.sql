-- What holds for the whole installation. The key that seals values is not here: only what shows that it is the same one.
-- +goose Up
create table control.installation (
    only_row   boolean not null default true constraint installation_pkey primary key constraint installation_only_row_check check (only_row),
    key_digest bytea   not null constraint installation_key_digest_check check (octet_length(key_digest) = 32)
);

-- +goose Down
drop table control.installation;
