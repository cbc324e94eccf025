package audit_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/audit"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// verify verifies the demo's trail.
func (s school) verify(t testing.TB, check audit.Check) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), s.DB, db.Tenant(seed.DemoTenant), check)
	require.NoError(t, err)
	return report
}

// eventAt is the event of a place.
func (s school) eventAt(t testing.TB, position int64) uuid.UUID {
	t.Helper()
	return dbtest.Value[uuid.UUID](t, s.Database, `select event_id from `+s.schema+`.audit_seals where position = $1`, position)
}

func TestChain_ofTheSeedIsSealedAndIntact(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	report := s.verify(t, audit.Check{})
	events := dbtest.Value[int64](t, s.Database, `select count(*) from `+s.schema+`.audit_events`)
	assert.Positive(t, events)
	assert.Nil(t, report.Fault)
	assert.True(t, report.Complete)
	assert.Equal(t, events, report.Checked)
	assert.Equal(t, events, report.Head.Position)
	assert.Zero(t, s.seal(t), "there is nothing left to do")
}

// rechain computes all hashes from a place on anew, as somebody would who knows how and owns the database.
const rechain = `do $$
	declare p record; h bytea := (select hash from audit_seals where position = %[1]d - 1);
	begin
		for p in select * from audit_seals where position >= %[1]d order by position loop
			h := sha256(h || int8send(p.position) || uuid_send(p.event_id) || p.digest);
			update audit_seals set hash = h where position = p.position;
		end loop;
	end $$`

// Each is done as superuser, on an intact chain of its own, of which the head was noted.
func TestChain_tamperingIsDetectedAndNamed(t *testing.T) {
	t.Parallel()
	const at, event10 = 10, "(select event_id from audit_seals where position = 10)"
	for name, c := range map[string]struct {
		tamper   []string
		kind     audit.FaultKind
		position int64 // 0: none
		event    int64 // the place whose event is named; 0: none, -1: some
		withHead bool  // only seen with the head
	}{
		"content edited":       {[]string{`update audit_events set after = '{"name": "Other"}' where id = ` + event10}, audit.Edited, at, at, false},
		"content blanked":      {[]string{`update audit_events set before = null, after = null where id = ` + event10}, audit.Edited, at, at, false},
		"salt edited":          {[]string{`update audit_events set salt = gen_random_uuid() where id = ` + event10}, audit.Edited, at, at, false},
		"actor edited":         {[]string{`update audit_events set actor_id = gen_random_uuid() where id = ` + event10}, audit.Edited, at, at, false},
		"kind of actor edited": {[]string{`update audit_events set actor_kind = 'job' where id = ` + event10}, audit.Edited, at, at, false},
		"action edited":        {[]string{`update audit_events set action = 'other' where id = ` + event10}, audit.Edited, at, at, false},
		"session edited":       {[]string{`update audit_events set session_id = gen_random_uuid() where id = ` + event10}, audit.Edited, at, at, false},
		"address edited":       {[]string{`update audit_events set remote_address = '::1' where id = ` + event10}, audit.Edited, at, at, false},
		"request edited":       {[]string{`update audit_events set request_id = 'r' where id = ` + event10}, audit.Edited, at, at, false},
		"resource edited":      {[]string{`update audit_events set resource_type = 'other' where id = ` + event10}, audit.Edited, at, at, false},
		"row edited":           {[]string{`update audit_events set resource_id = gen_random_uuid() where id = ` + event10}, audit.Edited, at, at, false},
		"change edited":        {[]string{`update audit_events set change = 'delete' where id = ` + event10}, audit.Edited, at, at, false},
		"time edited":          {[]string{`update audit_events set recorded_at = recorded_at - interval '1 microsecond' where id = ` + event10}, audit.Edited, at, at, false},
		"erased, and then edited": {[]string{
			`update audit_events set before = null, after = null, salt = null, erased_at = now() where id = ` + event10,
			`update audit_events set action = 'other' where id = ` + event10,
		}, audit.Edited, at, at, false},
		"event deleted":  {[]string{`delete from audit_events where id = ` + event10}, audit.Deleted, at, at, false},
		"place deleted":  {[]string{`delete from audit_seals where position = 10`}, audit.Deleted, at, 0, false},
		"both deleted":   {[]string{`delete from audit_events where id = ` + event10, `delete from audit_seals where position = 10`}, audit.Deleted, at, 0, false},
		"first deleted":  {[]string{`delete from audit_seals where position = 1`}, audit.Deleted, 1, 0, false},
		"event replaced": {[]string{`update audit_events set id = gen_random_uuid() where id = ` + event10}, audit.Deleted, at, at, false},
		"deleted, closed up": {[]string{
			`delete from audit_seals where position = 10`,
			`update audit_seals set position = -position where position > 10`, `update audit_seals set position = -position - 1 where position < 0`,
		}, audit.Broken, at, -1, false},
		"places swapped": {[]string{
			`update audit_seals set position = -1 where position = 10`, `update audit_seals set position = 10 where position = 15`,
			`update audit_seals set position = 15 where position = -1`,
		}, audit.Reordered, at, at, false},
		"events of places swapped": {[]string{
			`create temp table swapped as select position, event_id, content_digest, digest from audit_seals where position in (10, 15)`,
			`update audit_seals set event_id = gen_random_uuid() where position in (10, 15)`,
			`update audit_seals s set event_id = x.event_id, content_digest = x.content_digest, digest = x.digest from swapped x where s.position = 25 - x.position`,
		}, audit.Reordered, at, at, false},
		"contents of events swapped": {[]string{
			`with x as (select a.id as one, b.id as other, a.after as mine, b.after as yours, a.salt as s1, b.salt as s2 from audit_events a, audit_events b
				where a.id = ` + event10 + ` and b.id = (select event_id from audit_seals where position = 11))
			update audit_events e set after = case e.id when one then yours else mine end, salt = case e.id when one then s2 else s1 end from x where e.id in (one, other)`,
		}, audit.Edited, at, at, false},
		"hash edited":      {[]string{`update audit_seals set hash = sha256('x') where position = 10`}, audit.Broken, at, at, false},
		"digest edited":    {[]string{`update audit_seals set digest = sha256('x') where position = 10`}, audit.Broken, at, at, false},
		"content's digest": {[]string{`update audit_seals set content_digest = sha256('x') where position = 10`}, audit.Edited, at, at, false},
		"places cut off":   {[]string{`delete from audit_seals where position >= 10`}, audit.Truncated, at, 0, false},
		"tail cut off": {[]string{
			`delete from audit_events where id in (select event_id from audit_seals where position >= 10)`, `delete from audit_seals where position >= 10`,
		}, audit.Truncated, at, 0, true},
		"all cut off":       {[]string{`delete from audit_events`, `delete from audit_seals`}, audit.Truncated, 1, 0, true},
		"an event smuggled": {[]string{`insert into audit_events (id, recorded_at, action, actor_kind, resource_type, resource_id, change) values (gen_random_uuid(), now(), 'x', 'user', 'x', gen_random_uuid(), 'create')`}, audit.Unsealed, 0, -1, false},
		"deleted before it was sealed": {[]string{
			`update institutions set name = 'Elsewhere' where code = 'OLD'`, `delete from audit_events where id = (select event_id from audit_unsealed)`,
			`select seal_audit_events(1000)`,
		}, audit.Deleted, 0, -1, false},
		"edited, and made good": {[]string{
			`update audit_seals s set digest = x.digest, content_digest = x.content_digest from audit_seals x where s.position = 10 and x.position = 11`,
			fmt.Sprintf(rechain, at),
			`update audit_seals set position = position`,
		}, audit.Edited, at, at, false},
		"deleted, and made good": {[]string{
			`delete from audit_events where id = ` + event10, `delete from audit_seals where position = 10`,
			`update audit_seals set position = -position where position > 10`, `update audit_seals set position = -position - 1 where position < 0`,
			fmt.Sprintf(rechain, at), `select seal_audit_events(1000)`,
		}, audit.Truncated, -1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchool(t)
			head := s.verify(t, audit.Check{}).Head
			event := uuid.Nil
			if c.event > 0 {
				event = s.eventAt(t, c.event)
			}
			conn := s.Conn(t)
			_, err := conn.Exec(t.Context(), "set search_path = "+s.schema)
			require.NoError(t, err)
			for _, statement := range c.tamper {
				_, err := conn.Exec(t.Context(), statement)
				require.NoError(t, err, statement)
			}
			if blind := s.verify(t, audit.Check{}); c.withHead {
				assert.Nil(t, blind.Fault, "without the head nothing is to be seen")
			} else {
				assert.NotNil(t, blind.Fault, "it is seen without the head too")
			}
			report := s.verify(t, audit.Check{Head: head})
			require.NotNil(t, report.Fault)
			assert.Equal(t, c.kind, report.Fault.Kind, "%+v", report.Fault)
			assert.False(t, report.Complete)
			if c.position >= 0 {
				assert.Equal(t, c.position, report.Fault.Position)
			}
			if c.event >= 0 && name != "places swapped" && name != "events of places swapped" {
				assert.Equal(t, event, report.Fault.EventID)
			}
			if c.kind == audit.Reordered {
				assert.Contains(t, report.Fault.Message, event.String()+", stands in place 15")
			}
		})
	}
}

func TestChain_madeAnewAsAWholeIsSeenWithTheHead(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	head := s.verify(t, audit.Check{}).Head
	s.in(t, `update audit_events set action = 'other' where id = (select event_id from audit_seals where position = 10)`)
	s.in(t, `insert into audit_unsealed select event_id from audit_seals`)
	s.in(t, `truncate audit_seals`)
	s.seal(t)
	assert.Nil(t, s.verify(t, audit.Check{}).Fault)
	report := s.verify(t, audit.Check{Head: head})
	require.NotNil(t, report.Fault)
	assert.Equal(t, audit.Rewritten, report.Fault.Kind)
	assert.Equal(t, head.Position, report.Fault.Position)
}

func TestChain_holdsWithoutWhatWasErased(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	head := s.verify(t, audit.Check{}).Head
	s.in(t, `update audit_events set before = null, after = null, salt = null, erased_at = now() where resource_id in ($1, $2, $3)`, demoRow(601), demoRow(701), demoRow(801))
	erased := dbtest.Value[int64](t, s.Database, `select count(*) from `+s.schema+`.audit_events where erased_at is not null`)
	require.GreaterOrEqual(t, erased, int64(5), "a student, a user, a guardian's two, a link, and marks")
	report := s.verify(t, audit.Check{Head: head})
	assert.Nil(t, report.Fault)
	assert.True(t, report.Complete)
	assert.Equal(t, erased, report.Erased)
	conn := s.Conn(t)
	_, err := conn.Exec(t.Context(), `update `+s.schema+`.audit_events set erased_at = now() where erased_at is null`)
	require.ErrorContains(t, err, "audit_events_erased_at_check", "what is erased is empty")
}

func TestChain_isVerifiedInParts(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.in(t, `update audit_events set action = 'other' where id = (select event_id from audit_seals where position = 10)`)
	report := s.verify(t, audit.Check{To: 9})
	assert.Nil(t, report.Fault)
	assert.EqualValues(t, 9, report.Checked)
	assert.Equal(t, audit.Edited, s.verify(t, audit.Check{From: 10, To: 10}).Fault.Kind)
	report = s.verify(t, audit.Check{From: 11})
	assert.Nil(t, report.Fault)
	assert.True(t, report.Complete)
	last := report.Head.Position
	assert.Equal(t, last-10, report.Checked)
	report = s.verify(t, audit.Check{From: last + 1})
	assert.Nil(t, report.Fault, "the place after the last is to come")
	assert.Zero(t, report.Checked)
	assert.Equal(t, audit.Truncated, s.verify(t, audit.Check{From: last + 2}).Fault.Kind)
}

func TestChain_stopsWhenTheTimeIsOverAndSaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	report := s.verify(t, audit.Check{From: 3, Until: time.Now().Add(-time.Second)})
	assert.Nil(t, report.Fault)
	assert.False(t, report.Complete)
	assert.EqualValues(t, 3, report.Next)
	report = s.verify(t, audit.Check{Until: time.Now().Add(time.Minute)})
	assert.True(t, report.Complete)
}

// However many seal, while others write, there is one chain, with each event once.
func TestChain_manyWhoSealAtOnceMakeOne(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	before := s.verify(t, audit.Check{}).Checked
	pools := []*db.DB{s.DB, s.Open(t, db.Config{MaxConns: 4})}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 40 {
				err := s.DB.InTx(db.WithActor(t.Context(), registrar()), db.Tenant(seed.DemoTenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
					_, err := db.RunBatch(q.CreateGuardians(ctx, []gendb.CreateGuardiansParams{{ID: uuid.New(), FirstName: "A", LastName: "B"}}))
					return err
				})
				assert.NoError(t, err)
			}
		})
		all.Go(func() {
			for range 40 {
				assert.NoError(t, pools[i%2].InTx(t.Context(), db.Tenant(seed.DemoTenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
					_, err := q.SealAuditEvents(ctx, 7)
					return err
				}))
			}
		})
	}
	all.Wait()
	sealed := s.verify(t, audit.Check{}).Checked
	s.seal(t)
	report := s.verify(t, audit.Check{})
	assert.Nil(t, report.Fault)
	assert.Greater(t, sealed, before, "something was sealed meanwhile")
	assert.Equal(t, dbtest.Value[int64](t, s.Database, `select count(*) from `+s.schema+`.audit_events`), report.Checked)
}

// Writers wait neither for each other nor for who seals.
func TestChain_anEventThatIsCommittedLateGetsALaterPlace(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	begun, release := make(chan struct{}), make(chan struct{})
	var late sync.WaitGroup
	late.Go(func() {
		assert.NoError(t, s.DB.InTx(t.Context(), db.Tenant(seed.DemoTenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			err := q.LinkGuardianUser(ctx, nil, demoRow(801))
			close(begun)
			<-release
			return err
		}))
	})
	<-begun
	events := s.during(t, func() {
		s.in(t, `update institutions set name = 'Elsewhere' where code = 'OLD'`)
	})
	require.Len(t, events, 1)
	assert.EqualValues(t, 1, s.seal(t), "what is not committed is not sealed, and nobody waits for it")
	close(release)
	late.Wait()
	assert.EqualValues(t, 1, s.seal(t))
	places := dbtest.Values[uuid.UUID](t, s.Database, `select event_id from `+s.schema+`.audit_seals order by position desc limit 2`)
	times := dbtest.Values[uuid.UUID](t, s.Database, `select id from `+s.schema+`.audit_events order by id desc limit 2`)
	slices.Reverse(times)
	assert.Equal(t, times, places, "the earlier one comes last")
	assert.Nil(t, s.verify(t, audit.Check{}).Fault)
}

func TestHead_readsWhatItWrites(t *testing.T) {
	t.Parallel()
	head := newSchool(t).verify(t, audit.Check{}).Head
	parsed, err := audit.ParseHead(head.String())
	require.NoError(t, err)
	assert.Equal(t, *head, parsed)
	for _, bad := range []string{"", ":", "1", "1:", fmt.Sprintf("0:%x", head.Hash), "1:00", "x:00", "-1:00", head.String() + "00"} {
		_, err := audit.ParseHead(bad)
		assert.Error(t, err, bad)
	}
}
