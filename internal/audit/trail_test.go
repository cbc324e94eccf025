package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// unaudited are the tables whose writes leave no event; each says why in its comment.
var unaudited = []string{
	"attendance_corrections", "attendance_marks", "audit_events", "audit_seals", "audit_unsealed", "goose_db_version", "guesses", "idempotency_keys",
	"outbox_events", "report_cards", "role_changes", "webhook_deliveries",
}

func TestTrail_everyTableIsAuditedOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	tables := dbtest.Values[string](t, s.Database, `select relname::text from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p') order by 1`, s.schema)
	audited := dbtest.Values[string](t, s.Database, `select c.relname::text from pg_class c where c.relnamespace = $1::regnamespace
		and 2 = (select count(*) from pg_trigger g where g.tgrelid = c.oid and g.tgname in ('audit_write', 'audit_update') and g.tgenabled = 'O'
			and g.tgfoid = ($1 || '.audit_row')::regproc)`, s.schema)
	assert.ElementsMatch(t, tables, append(audited, unaudited...),
		"a new table is audited by itself; one that must not be says so in its comment, and stands in the list above")
	t.Logf("%d tables audited, %d not", len(audited), len(unaudited))

	// Its triggers are those of its columns and comments as they are: making them anew changes nothing.
	const triggers = `select string_agg(xmin::text, ' ' order by oid) from pg_trigger where tgname like 'audit\_%'`
	before := dbtest.Value[string](t, s.Database, triggers)
	s.in(t, "select audit_rows()")
	assert.Equal(t, before, dbtest.Value[string](t, s.Database, triggers))
}

func TestTrail_ofANewTableShowsWhatIsSafeForTheTypeAndWhatCommentsSay(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.in(t, `create table library_cards (
		id uuid primary key, student_id uuid, note text, tags text[], custom jsonb, secret bytea, lent integer, born date,
		state text check (state in ('lent', 'back')), label text, mail text, seen timestamptz, created_at timestamptz default now())`)
	s.in(t, `comment on column library_cards.label is 'audit: plain'`)
	s.in(t, `comment on column library_cards.mail is 'audit: email'`)
	s.in(t, `comment on column library_cards.seen is 'audit: ignored'`)
	s.in(t, `comment on column library_cards.born is 'audit: hidden'`)
	s.in(t, "select audit_rows()")
	id := uuid.New()
	events := s.during(t, func() {
		s.in(t, `insert into library_cards values ($1, $2, 'a note', '{x}', '{"a": 1}', 'key', 3, '2016-02-29', 'lent', 'L-1', 'asha@example.org', now())`, id, demoRow(601))
		s.in(t, `update library_cards set seen = now() + interval '1 day', created_at = now()`)
		s.in(t, `update library_cards set secret = 'other'`)
	})
	require.Len(t, events, 2)
	assert.Equal(t, "libraryCard", events[0].Resource)
	assert.Equal(t, id, events[0].ID)
	assert.Equal(t, map[string]any{
		"studentId": demoRow(601).String(), "note": "***", "tags": "***", "custom": "***", "lent": 3.0, "born": "***", "state": "lent", "label": "L-1", "mail": "a***@e***.org",
	}, events[0].After)
	assert.Equal(t, "update", events[1].Change)
	assert.Nil(t, events[1].Before, "a secret is not even masked")
	assert.Nil(t, events[1].After)

	s.in(t, "alter table library_cards add column due date")
	s.in(t, "select audit_rows()")
	events = s.during(t, func() { s.in(t, `update library_cards set due = '2026-12-01'`) })
	require.Len(t, events, 1, "a new column is audited as well")
	assert.Equal(t, map[string]any{"due": "2026-12-01"}, events[0].After)
}

func TestTrail_aTableWithoutAnIDIsRefusedWithAnAnswer(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.in(t, "create table counters (name text primary key)")
	conn := s.Conn(t)
	_, err := conn.Exec(t.Context(), "select "+s.schema+".audit_rows()")
	require.ErrorContains(t, err, "table counters cannot be audited: its primary key has no uuid")
	s.in(t, "comment on table counters is 'audit: none, because it counts'")
	s.in(t, "select audit_rows()")
}

func registrar() db.Actor {
	return db.Actor{
		Kind: db.ActorUser, Action: "replaceGuardians", User: demoRow(502), Session: uuid.New(),
		Address: "203.0.113.7", Request: "request-1",
	}
}

func TestTrail_saysWhoDidWhatFromWhereToWhichRow(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	actor, id := registrar(), uuid.New()
	events := s.during(t, func() {
		s.tx(t, actor, func(ctx context.Context, q *db.Queries) error {
			_, err := db.RunBatch(q.CreateGuardians(ctx, []gendb.CreateGuardiansParams{{ID: id, FirstName: "Maria", LastName: "D'Souza", Phone: new("+91 98450 00017")}}))
			return err
		})
		s.tx(t, actor, func(ctx context.Context, q *db.Queries) error {
			_, err := db.RunBatch(q.UpdateGuardians(ctx, []gendb.UpdateGuardiansParams{{ID: id, FirstName: "Maria", LastName: "Nair", Email: new("maria@example.org")}}))
			return err
		})
		s.tx(t, actor, func(ctx context.Context, q *db.Queries) error { return q.DeleteLoneGuardians(ctx, []uuid.UUID{id}) })
	})
	want := event{
		Action: actor.Action, Kind: "user", Actor: &actor.User, Session: &actor.Session, Address: actor.Address, Request: actor.Request,
		Resource: "guardian", ID: id,
	}
	created, updated, deleted := want, want, want
	created.Change, created.After = "create", map[string]any{"firstName": "M***", "lastName": "D***", "phone": "***17"}
	updated.Change = "update"
	updated.Before = map[string]any{"lastName": "D***", "phone": "***17", "email": nil}
	updated.After = map[string]any{"lastName": "N***", "phone": nil, "email": "m***@e***.org"}
	deleted.Change, deleted.Before = "delete", map[string]any{"firstName": "M***", "lastName": "N***", "email": "m***@e***.org"}
	assert.Equal(t, []event{created, updated, deleted}, events)
}

func TestTrail_goesWithItsTransaction(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	stop := errors.New("stop")
	events := s.during(t, func() {
		err := s.DB.InTx(db.WithActor(t.Context(), registrar()), db.Tenant(seed.DemoTenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			if err := q.LinkGuardianUser(ctx, nil, demoRow(801)); err != nil {
				return err
			}
			return stop
		})
		require.ErrorIs(t, err, stop)
	})
	assert.Empty(t, events)
	events = s.during(t, func() {
		s.tx(t, registrar(), func(ctx context.Context, q *db.Queries) error { return q.LinkGuardianUser(ctx, nil, demoRow(801)) })
		require.NoError(t, s.DB.InTx(t.Context(), db.Tenant(seed.DemoTenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			return q.LinkGuardianUser(ctx, new(demoRow(504)), demoRow(801))
		}))
	})
	require.Len(t, events, 2)
	assert.Equal(t, "user", events[0].Kind)
	assert.Equal(t, "database", events[1].Kind, "the actor does not stay with the connection")
	assert.Equal(t, "sql", events[1].Action)
}

func TestTrail_ofWhoWritesByHandSaysSo(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	events := s.during(t, func() { s.in(t, `update institutions set name = 'Elsewhere' where code = 'OLD'`) })
	require.Len(t, events, 1)
	assert.Equal(t, "database", events[0].Kind)
	assert.Equal(t, map[string]any{"name": "Old Town Campus"}, events[0].Before)
}

func TestTrail_whatAnOperatorChangesOfATenantIsInItsOwn(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ctx := db.WithActor(t.Context(), db.Actor{Kind: db.ActorOperator, Action: "tenant suspend"})
	events := s.during(t, func() { require.NoError(t, s.Registry().Suspend(ctx, seed.DemoTenant)) })
	was, becomes := map[string]any{"name": "Asha Vidyalaya", "status": "active", "requireMfa": false}, map[string]any{"name": "Asha Vidyalaya", "status": "suspended", "requireMfa": false}
	assert.Equal(t, []event{{
		Action: "tenant suspend", Kind: "operator", Resource: "tenant", ID: seed.DemoTenant, Change: "update", Before: was, After: becomes,
	}}, events)
	events = s.during(t, func() {
		s.Exec(t, `update control.tenants set require_mfa = true where id = $1`, seed.Demo2Tenant)
	})
	assert.Empty(t, events, "another tenant's trail says nothing of it")
	events = s.during(t, func() { s.Exec(t, `update control.tenants set updated_at = now() where id = $1`, seed.DemoTenant) })
	assert.Empty(t, events)
}

func TestTrail_ofALinkNamesBothEnds(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ends := map[string]any{"studentId": demoRow(602).String(), "guardianId": demoRow(802).String()}
	events := s.during(t, func() {
		s.in(t, `update student_guardians set relationship = 'father' where student_id = $1`, demoRow(602))
	})
	require.Len(t, events, 1)
	assert.Equal(t, demoRow(602), events[0].ID)
	for _, side := range []map[string]any{events[0].Before, events[0].After} {
		assert.Subset(t, side, ends)
	}
	assert.Equal(t, "father", events[0].After["relationship"])
}

// The key of a recovery code is the digest of the code.
func TestTrail_ofASecondFactorHoldsNothingSecret(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	events := s.during(t, func() {
		s.in(t, `insert into second_factors (user_id, secret_sealed) values ($1, 'sealed')`, demoRow(501))
		s.in(t, `insert into recovery_codes (user_id, code_hash) values ($1, sha256('code'))`, demoRow(501))
		s.in(t, `update recovery_codes set used_at = '2026-11-23T12:15:00Z'`)
		s.in(t, `delete from second_factors`)
	})
	require.Len(t, events, 5, "the codes go with their factor, and that is an event too")
	user := map[string]any{"userId": demoRow(501).String()}
	assert.Equal(t, map[string]any{"lastStep": 0.0}, events[0].After)
	assert.Equal(t, user, events[1].After)
	assert.Equal(t, map[string]any{"userId": user["userId"], "usedAt": "2026-11-23T12:15:00+00:00"}, events[2].After)
	assert.ElementsMatch(t, []string{"secondFactor", "recoveryCode"}, []string{events[3].Resource, events[4].Resource})
}

func TestTrail_bytesAreNeverShown(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	conn := s.Conn(t)
	_, err := conn.Exec(t.Context(), "set search_path = "+s.schema)
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), `select a.audited || '.' || c.own from audited_tables() a, unnest(a.own::text[], a.masks) c (own, mask)
		join pg_attribute b on b.attname = c.own and b.atttypid = 'bytea'::regtype where b.attrelid = a.audited and c.mask <> 'never'`)
	require.NoError(t, err)
	shown, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	assert.Empty(t, shown)
}

func TestTrail_ofASessionIsItsBeginningAndItsEndAndNotItsUse(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	session := uuid.New()
	token := auth.NewToken(seed.DemoTenant)
	events := s.during(t, func() {
		s.in(t, `insert into sessions (id, user_id, token_hash, expires_at, remote_address, user_agent) values ($1, $2, $3, now() + interval '1 hour', '203.0.113.7', 'Browser of Asha')`,
			session, demoRow(501), token.Hash())
		s.tx(t, registrar(), func(ctx context.Context, q *db.Queries) error { return q.TouchSession(ctx, session) })
		s.tx(t, registrar(), func(ctx context.Context, q *db.Queries) error {
			_, err := q.EndSession(ctx, session)
			return err
		})
	})
	require.Len(t, events, 2)
	assert.Equal(t, "session", events[0].Resource)
	assert.Equal(t, demoRow(501).String(), events[0].After["userId"])
	for _, hidden := range []string{"tokenHash", "userAgent", "lastUsedAt"} {
		assert.NotContains(t, events[0].After, hidden)
	}
	assert.Contains(t, events[1].After, "endedAt")
}

// The roles of a tenant are all that the service writes with.
func TestTrail_noRoleOfTheTenantCanWriteIt(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.seal(t)
	tried := 0
	for _, role := range []string{s.schema, db.LimitedRole(s.schema), db.InstitutionsRole(s.schema)} {
		for _, table := range []string{"audit_events", "audit_unsealed", "audit_seals"} {
			key := map[string]string{"audit_events": "id", "audit_unsealed": "event_id", "audit_seals": "position"}[table]
			for _, statement := range []string{
				"insert into " + table + " default values", "update " + table + " set " + key + " = " + key, "delete from " + table, "truncate " + table,
				"drop table " + table, "alter table " + table + " disable trigger all", "alter table students disable trigger audit_update",
				"drop trigger audit_write on students", "create or replace function audit_row() returns trigger language plpgsql as 'begin return null; end'",
			} {
				assert.Equal(t, "42501", s.tryAs(t, role, statement), "%s as %s", statement, role)
				tried++
			}
			want := map[bool]string{true: "", false: "42501"}[role == s.schema]
			assert.Equal(t, want, s.tryAs(t, role, "select from "+table), "%s as %s", table, role)
		}
	}
	t.Logf("%d writes tried, all refused", tried)
}

// tryAs is the SQLSTATE of a statement in a role.
func (s school) tryAs(t *testing.T, role, statement string) string {
	t.Helper()
	conn := s.Conn(t)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err := conn.Exec(t.Context(), "set role "+role+"; set search_path = "+s.schema)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), statement)
	return sqlState(err)
}

func sqlState(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	return ""
}

func TestTrail_idsAreInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	conn := s.Conn(t)
	rows, err := conn.Query(t.Context(), `select `+s.schema+`.audit_event_id('2026-11-23T12:15:00Z'::timestamptz + n * interval '1 microsecond')::text from generate_series(0, 3000) n`)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for i, id := range ids {
		parsed := uuid.MustParse(id)
		assert.EqualValues(t, 7, parsed.Version())
		assert.Equal(t, uuid.RFC4122, parsed.Variant())
		if i > 0 {
			require.Negative(t, strings.Compare(ids[i-1][:18], id[:18]), "microsecond %d", i)
		}
	}
}

func TestTrail_theMarksOfARegisterAreOneEvent(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	first, second := demoRow(601), demoRow(602)
	section := dbtest.Value[uuid.UUID](t, s.Database, `select section_id from `+s.schema+`.attendance_marks where student_id = $1 limit 1`, first)
	date := dbtest.Value[string](t, s.Database, `select date::text from `+s.schema+`.attendance_marks a join `+s.schema+`.attendance_marks b using (section_id, date)
		where a.student_id = $1 and b.student_id = $2 order by date limit 1`, first, second)
	marks := func(ofFirst, ofSecond string) map[string]any {
		return map[string]any{"date": date, "marks": map[string]any{first.String(): ofFirst, second.String(): ofSecond}}
	}
	set := `update attendance_marks set status = $1 where date = '` + date + `' and student_id in ('` + first.String() + `', '` + second.String() + `')`
	s.in(t, set, "present")
	want := event{Action: "sql", Kind: "database", Resource: "attendanceMarks", ID: section, Change: "update", Before: marks("present", "present"), After: marks("late", "late")}
	assert.Equal(t, []event{want}, s.during(t, func() { s.in(t, set, "late") }))
	assert.Empty(t, s.during(t, func() { s.in(t, set, "late") }), "what stays as it was is none")

	events := s.during(t, func() {
		s.in(t, `with gone as (delete from attendance_marks where date = '`+date+`' and student_id = $1 returning student_id) select from gone`, first)
	})
	require.Len(t, events, 1)
	assert.Equal(t, "delete", events[0].Change)
	assert.Equal(t, map[string]any{"date": date, "marks": map[string]any{first.String(): "late"}}, events[0].Before)
}
