package auth

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// What is compared is counted here, without the hashing, so that a hundred attempts are at it at once.
func TestAttempt_ofAHundredAtOnceTheFreeOnesAreCompared(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	schema := db.SchemaName(d.Tenant(t, "demo").ID)
	user := uuid.Must(uuid.NewV7())
	d.Exec(t, `insert into `+schema+`.users (id, email, first_name, last_name, password_hash) values ($1, 'a@demo.school', 'A', 'B', 'hash')`, user)
	d.Exec(t, `insert into `+schema+`.sessions (id, user_id, token_hash, expires_at, remote_address)
		values ($1, $1, sha256('x'), now() + interval '1 hour', '203.0.113.1')`, user)
	instances := []*Handler{{DB: d.DB}, {DB: d.Open(t, db.Config{MaxConns: 4})}}
	for name, address := range map[string]string{"strangers": "198.51.100.1", "a known address": "203.0.113.1"} {
		start := time.Now()
		var compared, refused atomic.Int32
		var all sync.WaitGroup
		ctx := WithClient(t.Context(), Client{Address: address})
		for i := range 100 {
			all.Go(func() {
				a, err := instances[i%2].beginAttempt(ctx, "demo", "a@demo.school")
				if assert.NoError(t, err) && a.hash() != nil {
					compared.Add(1)
				} else {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		t.Logf("%s: 100 attempts at once on two instances, %d compared", name, compared.Load())
		assert.EqualValues(t, 100, compared.Load()+refused.Load(), name)
		assert.GreaterOrEqual(t, compared.Load(), int32(loginGuesses.free), name)
		assert.LessOrEqual(t, compared.Load(), mostIn(time.Since(start)), name)
	}
	rows := dbtest.Value[int64](t, d, `select count(*) from `+schema+`.guesses`)
	require.EqualValues(t, 2, rows, "one count for the account, one for its known address")
}

// mostIn is how many attempts may be compared in a time: the free ones, and on a very slow machine those whose delay is over.
func mostIn(elapsed time.Duration) int32 {
	most, delay := int32(loginGuesses.free), loginGuesses.first
	for ; elapsed > delay; delay *= 2 {
		elapsed -= delay
		most++
	}
	return most
}
