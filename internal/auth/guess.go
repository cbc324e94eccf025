package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// guesses slow down who tries secrets one after the other, on all instances together (OWASP ASVS 5.0, 6.3.1).
// For each subject (an account, an address) the first free failures cost nothing; each one after them is followed by a
// delay, which doubles from first to longest. While it lasts, tries are refused and do not lengthen it. Failures fade, one
// in each span of fade, so nothing needs to be unlocked.
//
// To guard a secret:
//
//  1. claim, in a transaction that commits before the secret is compared. It counts as a failure until it has succeeded,
//     so tries at the same time are not free.
//  2. Compare in any case; when the claim was refused with something that never matches, so that answer and time are
//     those of a wrong secret.
//  3. When it was right, forget, best in the transaction that makes use of it.
//
// Rows are kept in the scope of the transaction: a tenant's table, or control's.
type guesses struct {
	purpose              string // as the table's check lists them
	free                 int
	first, longest, fade time.Duration
}

var (
	// loginGuesses are tries at an account's password, by e-mail address, whether or not there is such an account.
	loginGuesses = ofAccount("login")
	// passwordGuesses are tries at the present password by who is signed in.
	passwordGuesses = ofAccount("password")
	// mfaGuesses are tries at a second factor by who has the password.
	mfaGuesses = ofAccount("mfa")
	// addressGuesses are tries of one address at any account of any tenant. A school is behind one address, so more are
	// free, and they fade sooner.
	addressGuesses = guesses{purpose: "address", free: 100, first: 5 * time.Second, longest: 5 * time.Minute, fade: 20 * time.Second}
)

// ofAccount is the schedule for one account's secret: ten free tries, then 5 s, 10 s ... 15 min.
func ofAccount(purpose string) guesses {
	return guesses{purpose: purpose, free: 10, first: 5 * time.Second, longest: 15 * time.Minute, fade: time.Hour}
}

// guess is tries at one subject.
type guess struct {
	guesses

	subject [sha256.Size]byte // a digest, so that the table holds neither e-mail addresses nor client addresses
}

// at are the guesses at a subject, named by parts that hold no NUL.
func (g guesses) at(parts ...string) guess {
	return guess{guesses: g, subject: sha256.Sum256([]byte(strings.Join(parts, "\x00")))}
}

// claim counts a try, and reports whether it may be made: not while the subject is delayed.
func (g guess) claim(ctx context.Context, q *db.Queries) (allowed bool, err error) {
	counted, err := q.ClaimGuess(ctx, gendb.ClaimGuessParams{
		Purpose: g.purpose, Subject: g.subject[:], Free: float64(g.free),
		Most:         float64(g.free + 10), // by then the delay is the longest
		FirstSeconds: g.first.Seconds(), LongestSeconds: g.longest.Seconds(), FadeSeconds: g.fade.Seconds(),
	})
	if err != nil {
		return false, fmt.Errorf("count a try at a %s: %w", g.purpose, err)
	}
	return counted == 1, nil
}

// forget removes all failures of the subject: the right secret was given.
func (g guess) forget(ctx context.Context, q *db.Queries) error {
	if err := q.ForgetGuesses(ctx, g.purpose, g.subject[:]); err != nil {
		return fmt.Errorf("forget the tries at a %s: %w", g.purpose, err)
	}
	return nil
}

// giveBack uncounts one claimed try: this one was right, which says nothing of the subject's others.
func (g guess) giveBack(ctx context.Context, q *db.Queries) error {
	if err := q.ReturnGuess(ctx, g.purpose, g.subject[:]); err != nil {
		return fmt.Errorf("uncount a try at a %s: %w", g.purpose, err)
	}
	return nil
}
