-- Which rows are there for whom. Every table that belongs to an institution or a student has row-level security. A
-- transaction (internal/db) takes one of three roles, and says in the settings rollcall.institutions, rollcall.teacher and
-- rollcall.guardian what it may reach, empty for nothing:
--   <schema>               sees all rows: the policy `all_rows` is the constant true, which folds the others away, so that
--                          plans are what they would be without row-level security
--   <schema>_limited       sees what the policy `visible` says: what a teacher or guardian reaches, which are few rows
--   <schema>_institutions  sees besides what belongs to its institutions: the policy `of_institution`. It is apart because
--                          with an `or` in `visible` the planner expects many rows, and reads the table to find a few
-- `visible` is for all roles and written here. protect_rows() makes the two others, which name a role: it can be lost.
--
-- Security is not forced on the owner: migrations and the SECURITY DEFINER functions here see all rows, so no policy
-- asks itself. Policies call them as array(select f()), which runs once a query and can use an index.
-- A new table of this kind: enable row level security, create the policy `visible`, and `select protect_rows()`.
-- +goose Up
create table teaching_assignments (
    user_id    uuid not null constraint teaching_assignments_user_id_fkey references users (id),
    section_id uuid not null constraint teaching_assignments_section_id_fkey references sections (id),
    constraint teaching_assignments_pkey primary key (user_id, section_id)
);

-- For `set search_path from current` below: nobody's temporary table stands before a table of the tenant.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- What the settings name, and what is reached from there. In plpgsql, which keeps its plans: in sql they would be made anew
-- for every query, which takes longer than the query.
-- +goose StatementBegin
create function limited_institutions() returns setof uuid language plpgsql stable rows 3 set search_path from current as $$
begin
    return query select unnest(nullif(current_setting('rollcall.institutions', true), '')::uuid[]);
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function taught_sections() returns setof uuid language plpgsql stable security definer rows 10 set search_path from current as $$
begin
    return query select section_id from teaching_assignments where user_id = nullif(current_setting('rollcall.teacher', true), '')::uuid;
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function linked_students() returns setof uuid language plpgsql stable security definer rows 5 set search_path from current as $$
begin
    return query select l.student_id from guardians g join student_guardians l on l.guardian_id = g.id
        where g.user_id = nullif(current_setting('rollcall.guardian', true), '')::uuid;
end
$$;
-- +goose StatementEnd
-- What a teacher reaches through the sections, and a guardian through the students.
-- +goose StatementBegin
create function reached_students() returns setof uuid language plpgsql stable security definer rows 100 set search_path from current as $$
begin
    return query select student_id from enrollments where status = 'active' and section_id = any (array(select taught_sections()))
        union select linked_students();
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function reached_sections() returns setof uuid language plpgsql stable security definer rows 10 set search_path from current as $$
begin
    return query select taught_sections()
        union select section_id from enrollments where student_id = any (array(select linked_students()));
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function reached_classes() returns setof uuid language plpgsql stable security definer rows 10 set search_path from current as $$
begin
    return query select class_id from sections where id = any (array(select reached_sections()));
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function reached_institutions() returns setof uuid language plpgsql stable security definer rows 3 set search_path from current as $$
begin
    return query select institution_id from classes where id = any (array(select reached_classes()));
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function reached_years() returns setof uuid language plpgsql stable security definer rows 10 set search_path from current as $$
begin
    return query select y.id from academic_years y where y.institution_id = any (array(
            select c.institution_id from classes c where c.id = any (array(
                select s.class_id from sections s where s.id = any (array(select taught_sections()))))))
        union select academic_year_id from enrollments where student_id = any (array(select linked_students()));
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function guardian_is_linked(guardian uuid) returns boolean language plpgsql stable security definer set search_path from current as $$
begin
    return exists (select from student_guardians where guardian_id = guardian);
end
$$;
-- +goose StatementEnd

alter table institutions enable row level security;
alter table academic_years enable row level security;
alter table classes enable row level security;
alter table sections enable row level security;
alter table teaching_assignments enable row level security;
alter table students enable row level security;
alter table enrollments enable row level security;
alter table guardians enable row level security;
alter table student_guardians enable row level security;

create policy visible on institutions
    using (id = any (array(select limited_institutions())) or id = any (array(select reached_institutions())));
create policy visible on academic_years using (id = any (array(select reached_years())));
create policy visible on classes using (id = any (array(select reached_classes())));
create policy visible on sections
    using (class_id = any (array(select c.id from classes c where c.institution_id = any (array(select limited_institutions()))))
           or id = any (array(select reached_sections())));
create policy visible on teaching_assignments
    using (exists (select from sections s where s.id = section_id));
create policy visible on students using (id = any (array(select reached_students())));
create policy visible on enrollments using (student_id = any (array(select reached_students())));
create policy visible on student_guardians
    using (exists (select from students s where s.id = student_id));
-- A guardian of nobody is one that this transaction has just made or unlinked: there are no others without a sign-in.
create policy visible on guardians
    using (exists (select from student_guardians l where l.guardian_id = guardians.id)
           or user_id is null and not guardian_is_linked(id));

-- The view must not see more than who asks.
alter view student_records set (security_invoker = true);

-- Foreign keys look past the policies. So that a row out of sight reads exactly as one that does not exist, a trigger
-- for limited roles (the tenant's own role's name with an ending) looks first, and fails as the foreign key would. Arguments: table, column and constraint.
-- +goose StatementBegin
create function require_visible() returns trigger language plpgsql set search_path from current as $$
declare
    target uuid := to_jsonb(new) ->> tg_argv[1];
    is_visible boolean;
begin
    execute format('select $1 is null or exists (select from %I where id = $1)', tg_argv[0]) into is_visible using target;
    if not is_visible then
        raise foreign_key_violation using
            message = 'the row referred to is not visible', schema = tg_table_schema, table = tg_table_name, constraint = tg_argv[2];
    end if;
    return new;
end
$$;
-- +goose StatementEnd

-- Completes what row-level security needs: the policies of the roles for each table that has it, and the trigger for each
-- foreign key to one. internal/tenant calls it too, because policies go with a role that is lost.
-- +goose StatementBegin
create function protect_rows() returns void language plpgsql set search_path from current as $$
declare
    item record;
begin
    for item in
        select c.relname as name from pg_class c
        where c.relnamespace = current_schema()::regnamespace and c.relrowsecurity
          and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'all_rows')
    loop
        execute format('create policy all_rows on %I to %I using (true)', item.name, current_schema());
    end loop;
    for item in
        select c.relname as name from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'institution_id'
        where c.relnamespace = current_schema()::regnamespace and c.relrowsecurity
          and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'of_institution')
    loop
        execute format('create policy of_institution on %I to %I using (institution_id = any (array(select limited_institutions())))',
                       item.name, current_schema() || '_institutions');
    end loop;
    for item in
        select c.conname as name, c.conrelid::regclass as referrer, t.relname as target, a.attname as attribute
        from pg_constraint c
        join pg_class t on t.oid = c.confrelid and t.relrowsecurity
        join pg_attribute i on i.attrelid = t.oid and i.attname = 'id' and i.attnum = any (c.confkey)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[array_position(c.confkey, i.attnum)]
        where c.contype = 'f' and c.connamespace = current_schema()::regnamespace
          and not exists (select from pg_trigger g where g.tgrelid = c.conrelid and g.tgname = c.conname || '_visible')
    loop
        execute format('create trigger %I before insert or update of %I on %s for each row
                        when (starts_with(current_user::text, current_schema() || ''_'')) execute function require_visible(%L, %L, %L)',
                       item.name || '_visible', item.attribute, item.referrer, item.target, item.attribute, item.name);
    end loop;
end
$$;
-- +goose StatementEnd
select protect_rows();

-- +goose Down
-- +goose StatementBegin
do $$
declare
    item record;
begin
    for item in select tgname as name, tgrelid::regclass as owner from pg_trigger
        where tgfoid = 'require_visible()'::regprocedure loop
        execute format('drop trigger %I on %s', item.name, item.owner);
    end loop;
    for item in select polname as name, polrelid::regclass as owner from pg_policy p
        join pg_class c on c.oid = p.polrelid where c.relnamespace = current_schema()::regnamespace loop
        execute format('drop policy %I on %s', item.name, item.owner);
        execute format('alter table %s disable row level security', item.owner);
    end loop;
end
$$;
-- +goose StatementEnd
alter view student_records reset (security_invoker);
drop function protect_rows();
drop function require_visible();
drop function guardian_is_linked(uuid);
drop function reached_years();
drop function reached_institutions();
drop function reached_classes();
drop function reached_sections();
drop function reached_students();
drop function linked_students();
drop function taught_sections();
drop function limited_institutions();
drop table teaching_assignments;
