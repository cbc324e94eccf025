package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// school is the demo school in a database of the test's own.
type school struct {
	*dbtest.Database

	schema string
}

func newSchool(t testing.TB) school {
	t.Helper()
	d := dbtest.NewFrom(t, "demo", func(ctx context.Context, url string) error {
		pool, err := db.Open(ctx, db.Config{URL: url})
		if err != nil {
			return err
		}
		defer pool.Close()
		box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
		if err != nil {
			return err
		}
		return seed.Demo(ctx, pool, tenant.NewRegistry(pool, url), box)
	})
	return school{d, db.SchemaName(seed.DemoTenant)}
}

// demoRow is an id of the demo, by its last digits.
func demoRow(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012d", n))
}

// in runs a statement as superuser with the schema in its path.
func (s school) in(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn := s.Conn(t)
	_, err := conn.Exec(t.Context(), "set search_path = "+s.schema)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
	require.NoError(t, conn.Close(t.Context()))
}

// event is a row of audit_events, as far as tests look at it.
type event struct {
	Action   string         `json:"action"`
	Kind     string         `json:"actor_kind"`
	Actor    *uuid.UUID     `json:"actor_id"`
	Session  *uuid.UUID     `json:"session_id"`
	Address  string         `json:"remote_address"`
	Request  string         `json:"request_id"`
	Resource string         `json:"resource_type"`
	ID       uuid.UUID      `json:"resource_id"`
	Change   string         `json:"change"`
	Before   map[string]any `json:"before"`
	After    map[string]any `json:"after"`
}

// during are the events that a write leaves.
func (s school) during(t testing.TB, write func()) []event {
	t.Helper()
	last := dbtest.Value[string](t, s.Database, `select max(id::text) from `+s.schema+`.audit_events`)
	write()
	var events []event
	for _, raw := range dbtest.Values[[]byte](t, s.Database, `select to_jsonb(e) from `+s.schema+`.audit_events e where id > $1 order by id`, last) {
		var e event
		require.NoError(t, json.Unmarshal(raw, &e))
		events = append(events, e)
	}
	return events
}

// tx runs work as an actor.
func (s school) tx(t testing.TB, actor db.Actor, work db.Func) {
	t.Helper()
	require.NoError(t, s.DB.InTx(db.WithActor(t.Context(), actor), db.Tenant(seed.DemoTenant), db.Options{}, work))
}

// seal gives all events their places, some in a transaction as the task does: all at once take longer than one may.
func (s school) seal(t testing.TB) (sealed int64) {
	t.Helper()
	for {
		var some int64
		s.tx(t, db.Actor{Kind: db.ActorJob, Action: "seal-audit"}, func(ctx context.Context, q *db.Queries) (err error) {
			some, err = q.SealAuditEvents(ctx, 1000)
			return err
		})
		if some == 0 {
			return sealed
		}
		sealed += some
	}
}
