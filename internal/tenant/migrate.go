package tenant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/schema"
)

// DefaultParallel is how many tenants are migrated at once unless Migrator.Parallel says otherwise.
const DefaultParallel = 4

// Migrator brings the registry and all tenants to the version of this program. It is safe for concurrent use.
type Migrator struct {
	Parallel int    // tenants at once, two connections each; 0 is DefaultParallel
	Recheck  bool   // go through tenants that lack nothing, too
	Waiting  func() // is told when another upgrade is under way, which Up waits for; may be nil

	url   string
	files fs.FS
}

// NewMigrator makes a migrator for the database at a URL, which must lead to PostgreSQL itself and not to a pooler.
func NewMigrator(url string) *Migrator { return &Migrator{url: url, files: schema.Files} }

// Progress hears of every schema that is done: done of total, and its name for people. Calls do not overlap. What is up to date counts as
// done from the first call on, which is the registry's.
type Progress func(done, total int, name string)

// Up migrates the registry, then those of the tenants, active or suspended, that are behind or lack something, several at once.
// onProgress may be nil.
//
// What is up to date is found out in a few queries over all tenants, from goose's notes in each schema and from the catalogue: no
// second note could be wrong after a restore. A tenant that fails does not stop the others; the error joins all failures. What was
// applied stays, so Up can be repeated, and a second one at the same time waits for the first.
func (m *Migrator) Up(ctx context.Context, onProgress Progress) error {
	control, err := lockSchema(ctx, m.url, controlSchema, m.Waiting)
	if err != nil {
		return err
	}
	defer control.unlock(ctx)
	if err := control.upgradeControl(ctx, m.files); err != nil {
		return err
	}
	tenants, err := finishedTenants(ctx, control.conn)
	if err != nil {
		return err
	}
	behind, err := m.behind(ctx, control.conn, tenants)
	if err != nil {
		return err
	}
	r := &report{total: 1 + len(tenants), done: len(tenants) - len(behind), onProgress: onProgress}
	r.add(controlSchema, nil)
	m.upAll(ctx, behind, r)
	return r.err()
}

// behind are the tenants that an upgrade has something to do for.
func (m *Migrator) behind(ctx context.Context, conn *pgx.Conn, tenants []Tenant) ([]Tenant, error) {
	if m.Recheck {
		return tenants, nil
	}
	statuses, err := m.tenantStatuses(ctx, conn, tenants)
	if err != nil {
		return nil, err
	}
	var behind []Tenant
	for i, t := range tenants {
		if !statuses[i].UpToDate() {
			behind = append(behind, t)
		}
	}
	return behind, nil
}

func (m *Migrator) upAll(ctx context.Context, tenants []Tenant, r *report) {
	var group errgroup.Group
	group.SetLimit(m.parallel())
	for _, t := range tenants {
		group.Go(func() error {
			r.add(t.Slug, m.upTenant(ctx, t))
			return nil // the others go on
		})
	}
	_ = group.Wait()
}

func (m *Migrator) parallel() int {
	if m.Parallel > 0 {
		return m.Parallel
	}
	return DefaultParallel
}

func (m *Migrator) upTenant(ctx context.Context, t Tenant) error {
	s, err := lockSchema(ctx, m.url, db.SchemaName(t.ID), nil)
	if err != nil {
		return err
	}
	defer s.unlock(ctx)
	row, err := gendb.New(s.conn).TenantByID(ctx, t.ID)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && fromRow(row).Status == Provisioning {
		return nil // erased meanwhile, and perhaps imported anew
	}
	if err != nil {
		return fmt.Errorf("look for the tenant: %w", err)
	}
	return s.upgradeTenant(ctx, m.files)
}

// report collects the outcomes of tenants that are migrated at the same time.
type report struct {
	mu         sync.Mutex
	done       int
	total      int
	failures   []error
	onProgress Progress
}

func (r *report) add(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if err != nil {
		r.failures = append(r.failures, fmt.Errorf("tenant %q: %w", name, err))
	}
	if r.onProgress != nil {
		r.onProgress(r.done, r.total, name)
	}
}

func (r *report) err() error {
	if len(r.failures) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d schemas were not migrated; the others are, and the next run goes on from here:\n%w",
		len(r.failures), r.total, errors.Join(r.failures...))
}

// finishedTenants leaves out those that are being created: their creation migrates them.
func finishedTenants(ctx context.Context, conn *pgx.Conn) ([]Tenant, error) {
	rows, err := gendb.New(conn).ListTenants(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the tenants: %w", err)
	}
	var tenants []Tenant
	for _, row := range rows {
		if t := fromRow(row); t.Status != Provisioning {
			tenants = append(tenants, t)
		}
	}
	return tenants, nil
}
