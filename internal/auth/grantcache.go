package auth

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// mostGrants is for how many users grants are kept; some hundred bytes each.
const mostGrants = 20_000

// grantKey names what a user may do at one time: whatever changes it changes one of the versions in the same
// transaction, so an entry is never stale, on no instance. Entries of old versions are asked for no more and fall out.
type grantKey struct {
	tenant, user  uuid.UUID
	access, roles int64 // versions of the user's assignments, and of the tenant's roles
}

func (k grantKey) String() string {
	return fmt.Sprintf("%s %s %d %d", k.tenant, k.user, k.access, k.roles)
}

// grantCache keeps grants under their key. The zero value is empty and ready; it is safe for concurrent use.
type grantCache struct {
	once    sync.Once
	entries *lru.Cache[grantKey, Grants]
	loading singleflight.Group
}

type loadGrants func(ctx context.Context, key grantKey) (Grants, error)

// get finds the grants of a key. However many ask for one that is not there, it is loaded once. The load belongs to all
// who wait, so it does not end with the request that began it; load bounds its time.
func (c *grantCache) get(ctx context.Context, key grantKey, load loadGrants) (Grants, error) {
	c.once.Do(func() { c.entries, _ = lru.New[grantKey, Grants](mostGrants) }) // fails only for a size below one
	if grants, found := c.entries.Get(key); found {
		return grants, nil
	}
	loaded := c.loading.DoChan(key.String(), func() (any, error) {
		return c.load(context.WithoutCancel(ctx), key, load)
	})
	select {
	case result := <-loaded:
		grants, _ := result.Val.(Grants)
		return grants, result.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the roles of a user: %w", ctx.Err())
	}
}

// load loads and keeps. It runs outside of any request, where a panic would end the process.
func (c *grantCache) load(ctx context.Context, key grantKey, load loadGrants) (grants Grants, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("load the roles of a user: panic: %v", p) //nolint:err113 // a fault of the program, for the log
		}
	}()
	if grants, found := c.entries.Get(key); found { // loaded between the look before and this turn
		return grants, nil
	}
	if grants, err = load(ctx, key); err == nil {
		c.entries.Add(key, grants)
	}
	return grants, err
}

// grantsFor is what a user may do, at the versions that were read with the user.
func (h *Handler) grantsFor(ctx context.Context, key grantKey) (Grants, error) {
	return h.grants.get(ctx, key, h.loadGrants)
}

func (h *Handler) loadGrants(ctx context.Context, key grantKey) (Grants, error) {
	rows, err := db.Read(ctx, h.DB, db.Tenant(key.tenant), func(ctx context.Context, q *db.Queries) ([]gendb.GrantsOfRow, error) {
		return q.GrantsOf(ctx, key.user)
	})
	if err != nil {
		return nil, err
	}
	return grantsOf(h.Contract, rows), nil
}
