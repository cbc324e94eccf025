package auth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// remembering is a handler that remembers one principal.
type remembering struct {
	*auth.Handler

	credential auth.Credential
	principal  auth.Principal
}

func newRemembering(tb testing.TB) remembering {
	tb.Helper()
	memory, err := auth.NewMemory(prometheus.NewRegistry())
	require.NoError(tb, err)
	memory.Hearing(true)
	p := auth.Principal{
		Tenant: uuid.Must(uuid.NewV7()), User: uuid.Must(uuid.NewV7()), Session: uuid.Must(uuid.NewV7()), Transport: api.TransportBearer,
		Grants: auth.Grants{{Role: "registrar", Permissions: []string{"students:admit", "students:read"}}},
	}
	r := remembering{&auth.Handler{Memory: memory}, auth.Credential{Token: auth.NewToken(p.Tenant).String(), Transport: p.Transport}, p}
	r.remember()
	return r
}

func (r remembering) remember() { r.Memory.Remember(r.credential, r.Memory.Seen(), r.principal) }

func (r remembering) remembers() bool {
	p, found := r.Recall(r.credential)
	return found && p.User == r.principal.User && p.Presumed()
}

func TestMemory_isOfTheCredentialAlone(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	assert.True(t, r.remembers())
	for _, other := range []auth.Credential{
		{Token: r.credential.Token, Transport: api.TransportCookie}, {Token: auth.NewToken(r.principal.Tenant).String(), Transport: api.TransportBearer},
	} {
		_, found := r.Recall(other)
		assert.False(t, found)
	}
	_, found := (&auth.Handler{}).Recall(r.credential)
	assert.False(t, found, "without a memory nobody is remembered")
}

func TestMemory_forgetsWhatItHearsHasChanged(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	own, other := db.SchemaName(r.principal.Tenant), db.SchemaName(uuid.New())
	for change, kept := range map[string]bool{
		own + " " + r.principal.User.String():   false,
		own:                                     false,
		other + " " + r.principal.User.String(): true,
		own + " " + uuid.NewString():            true,
		other:                                   true,
		"nonsense":                              false,
		own + " nonsense":                       false,
	} {
		r.remember()
		require.True(t, r.remembers())
		r.Memory.Heard(change)
		assert.Equal(t, kept, r.remembers(), change)
	}
}

func TestMemory_keepsNothingThatChangedWhileItWasRead(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	seen := r.Memory.Seen()
	r.Memory.Heard(db.SchemaName(r.principal.Tenant))
	r.Memory.Remember(r.credential, seen, r.principal)
	assert.False(t, r.remembers())
}

func TestMemory_remembersNothingWhileItDoesNotHear(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	r.Memory.Hearing(false)
	assert.False(t, r.remembers())
	r.remember()
	assert.False(t, r.remembers())
	r.Memory.Hearing(true)
	assert.False(t, r.remembers(), "something may have been missed")
	r.remember()
	assert.True(t, r.remembers())
}

func TestMemory_isGoodForTwoSecondsAfterTheDatabaseHasConfirmedIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemembering(t)
		time.Sleep(1900 * time.Millisecond)
		assert.True(t, r.remembers())
		r.Memory.Confirm(r.credential)
		time.Sleep(1900 * time.Millisecond)
		assert.True(t, r.remembers())
		time.Sleep(100 * time.Millisecond)
		assert.False(t, r.remembers())
	})
}

func TestMemory_isBounded(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	for range 10_000 {
		r.Memory.Remember(auth.Credential{Token: auth.NewToken(r.principal.Tenant).String(), Transport: api.TransportBearer}, r.Memory.Seen(), r.principal)
	}
	assert.False(t, r.remembers(), "the oldest goes first")
}

// BenchmarkAuthenticate is what a request pays for authentication and permission where its session is remembered, besides the
// statement that travels with its transaction.
func BenchmarkAuthenticate(b *testing.B) {
	r := newRemembering(b)
	b.ReportAllocs()
	for b.Loop() {
		p, found := r.Recall(r.credential)
		ctx := auth.With(b.Context(), p, "students:read")
		if !found || !auth.From(ctx).May("students:read") || p.AllowMFA() != nil {
			b.Fatal("who was remembered is not let in")
		}
		r.Memory.Confirm(r.credential)
	}
}
