package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// addressMemory is how long an address at which a user has signed in is known as that user's.
const addressMemory = 30 * 24 * time.Hour

// attempt is one sign-in on its way. Nothing in it depends for its time on whether tenant and user exist.
type attempt struct {
	tenant uuid.UUID
	user   gendb.UserForLoginRow // the zero value when there is none
	// allowed is false while account or address are delayed: then the password is not compared with the user's.
	allowed bool

	account        guess
	address        guess
	addressCounted bool
}

// beginAttempt finds who signs in and counts the attempt, for the account and for the address. The owner of an account
// cannot be locked out by others: an address where this user has signed in lately has a count of its own, and is not
// bound by the address's either.
func (h *Handler) beginAttempt(ctx context.Context, slug, email string) (attempt, error) {
	a := attempt{account: loginGuesses.at(slug, email), address: addressGuesses.at(clientOf(ctx).Network())}
	err := h.DB.InTx(ctx, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) (err error) {
		if a.tenant, err = tenantID(ctx, q, slug); err != nil {
			return err
		}
		a.addressCounted, err = a.address.claim(ctx, q) // last: a whole school waits for this row
		return err
	})
	if err != nil {
		return attempt{}, err
	}
	if a.tenant != uuid.Nil {
		err = h.DB.InTx(ctx, db.Tenant(a.tenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			return a.begin(ctx, q, email)
		})
	}
	if a.tenant == uuid.Nil || errors.Is(err, db.ErrTenantUnavailable) {
		err = h.DB.InTx(ctx, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) error { return a.pretend(ctx, q, slug) })
	}
	return a, err
}

// tenantID is the id of a tenant; uuid.Nil when there is none.
func tenantID(ctx context.Context, q *db.Queries, slug string) (uuid.UUID, error) {
	row, err := q.TenantBySlug(ctx, slug)
	if isNotFound(err) {
		return uuid.Nil, nil
	}
	return row.ID, err
}

// begin does the tenant's part.
func (a *attempt) begin(ctx context.Context, q *db.Queries, email string) (err error) {
	if a.user, err = q.UserForLogin(ctx, email); err != nil && !isNotFound(err) {
		return err
	}
	known, err := isKnown(ctx, q, gendb.KnownAddressesParams{UserID: a.user.ID, Seconds: addressMemory.Seconds()})
	if err != nil {
		return err
	}
	if known {
		a.account = loginGuesses.at(a.user.ID.String(), clientOf(ctx).Network())
	}
	if !known && !a.addressCounted {
		return nil // the address is delayed: the account is not to suffer for it
	}
	if a.allowed, err = a.account.claim(ctx, q); err != nil || !a.allowed {
		return err
	}
	return q.RecordAttempt(ctx, a.user.ID)
}

// isKnown reports whether the client is in a network from where a user has signed in lately.
func isKnown(ctx context.Context, q *db.Queries, of gendb.KnownAddressesParams) (bool, error) {
	addresses, err := q.KnownAddresses(ctx, of)
	if err != nil {
		return false, fmt.Errorf("find the addresses of a user: %w", err)
	}
	network := clientOf(ctx).Network()
	return network != "" && slices.ContainsFunc(addresses, func(address string) bool { return Client{Address: address}.Network() == network }), nil
}

// pretend does, for a tenant that is not there, as much as begin does for one that is.
func (a *attempt) pretend(ctx context.Context, q *db.Queries, slug string) error {
	for range 3 {
		if _, err := tenantID(ctx, q, slug); err != nil {
			return err
		}
	}
	if !a.addressCounted {
		return nil
	}
	_, err := a.account.claim(ctx, q)
	return err
}

// hash is what the password is compared with; nil when it must not match.
func (a *attempt) hash() *string {
	if !a.allowed || !a.user.IsActive {
		return nil
	}
	return a.user.PasswordHash
}

// succeed forgets what was counted for the account, in the transaction that creates its session.
func (a *attempt) succeed(ctx context.Context, q *db.Queries) error { return a.account.forget(ctx, q) }

// giveBackAddress uncounts this attempt for its address, whose other attempts were others'.
func (h *Handler) giveBackAddress(ctx context.Context, a attempt) error {
	if !a.addressCounted {
		return nil
	}
	return h.DB.InTx(ctx, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) error {
		return a.address.giveBack(ctx, q)
	})
}

// isNotFound is true when a query found no row, also inside a transaction, where errors are not translated yet.
func isNotFound(err error) bool { return apperr.KindOf(db.Translate(err)) == apperr.NotFound }
