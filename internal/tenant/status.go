package tenant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// ErrMigrationsPending is a registry that is missing or older than this program.
var ErrMigrationsPending = errors.New("the database is not up to date: run `rollcall migrate up`")

// SchemaStatus says how far a schema has been migrated.
type SchemaStatus struct {
	Name    string `json:"name"`    // of the schema
	Slug    string `json:"slug"`    // of the tenant; empty for the registry and the job queue
	Version int64  `json:"version"` // the highest migration applied; 0 is none
	Pending int    `json:"pending"` // migrations of this program that are not applied
	// Lacks is what a tenant's schema needs besides, in words: after a restore, or an upgrade that was left half-way.
	Lacks []string `json:"lacks,omitempty"`
}

// UpToDate is whether an upgrade has nothing to do.
func (s SchemaStatus) UpToDate() bool { return s.Pending == 0 && len(s.Lacks) == 0 }

// Status reports on the registry first, on the job queue second, then on the tenants that are active or suspended, by slug. It changes nothing.
func (m *Migrator) Status(ctx context.Context) ([]SchemaStatus, error) {
	conn, err := connect(ctx, m.url)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	control, err := m.controlStatus(ctx, conn)
	if err != nil {
		return nil, err
	}
	if control.Pending > 0 {
		return []SchemaStatus{control}, nil // there is no registry that this program could ask for tenants
	}
	queue, err := riverStatus(ctx, m.url)
	if err != nil {
		return nil, err
	}
	all := []SchemaStatus{control, queue}
	tenants, err := finishedTenants(ctx, conn)
	if err != nil {
		return nil, err
	}
	found, err := m.tenantStatuses(ctx, conn, tenants)
	return append(all, found...), err
}

// tenantStatuses looks at tenants, in their order: a few queries for however many.
func (m *Migrator) tenantStatuses(ctx context.Context, conn *pgx.Conn, tenants []Tenant) ([]SchemaStatus, error) {
	var all []SchemaStatus
	for some := range slices.Chunk(tenants, schemasAtOnce) {
		names := schemaNames(some)
		statuses, err := m.statuses(ctx, conn, "tenant", names...)
		if err != nil {
			return nil, err
		}
		shortfalls, err := lookAt(ctx, conn, names...)
		if err != nil {
			return nil, err
		}
		for i, t := range some {
			statuses[i].Slug, statuses[i].Lacks = t.Slug, shortfalls[names[i]].words()
		}
		all = append(all, statuses...)
	}
	return all, nil
}

func schemaNames(tenants []Tenant) []string {
	names := make([]string, len(tenants))
	for i, t := range tenants {
		names[i] = db.SchemaName(t.ID)
	}
	return names
}

// Check returns ErrMigrationsPending when the registry or the job queue is missing or behind. It looks at no tenant, so it
// is cheap enough for the start of a server with thousands of tenants.
func (m *Migrator) Check(ctx context.Context) error {
	conn, err := connect(ctx, m.url)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	control, err := m.controlStatus(ctx, conn)
	if err != nil {
		return err
	}
	if control.Pending > 0 {
		return ErrMigrationsPending
	}
	queue, err := riverStatus(ctx, m.url)
	if err != nil {
		return err
	}
	if queue.Pending > 0 {
		return ErrMigrationsPending
	}
	return nil
}

func (m *Migrator) controlStatus(ctx context.Context, conn *pgx.Conn) (SchemaStatus, error) {
	found, err := m.statuses(ctx, conn, "control", controlSchema)
	if err != nil {
		return SchemaStatus{}, err
	}
	return found[0], nil
}

// statuses holds schemas against the migrations of a folder.
func (m *Migrator) statuses(ctx context.Context, conn *pgx.Conn, folder string, schemas ...string) ([]SchemaStatus, error) {
	known, err := versionsIn(m.files, folder)
	if err != nil {
		return nil, err
	}
	applied, err := appliedVersions(ctx, conn, schemas...)
	if err != nil {
		return nil, err
	}
	all := make([]SchemaStatus, len(schemas))
	for i, name := range schemas {
		all[i] = SchemaStatus{Name: name, Pending: missing(known, applied[name])}
		if versions := applied[name]; len(versions) > 0 {
			all[i].Version = slices.Max(versions)
		}
	}
	return all, nil
}

// missing is how many versions are not applied.
func missing(known, applied []int64) (n int) {
	for _, v := range known {
		if !slices.Contains(applied, v) {
			n++
		}
	}
	return n
}

// versionsIn lists the migrations of a folder.
func versionsIn(files fs.FS, folder string) ([]int64, error) {
	names, err := fs.Glob(files, path.Join(folder, "*.sql"))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	versions := make([]int64, len(names))
	for i, name := range names {
		if versions[i], err = goose.NumericComponent(name); err != nil {
			return nil, fmt.Errorf("read the number of migration %s: %w", name, err)
		}
	}
	return versions, nil
}

const (
	// schemasAtOnce is how many schemas one query looks at. Each costs a connection the memory for its tables' descriptions.
	schemasAtOnce = 200
	// readAttempts is how often versions are read again when a schema has just been erased.
	readAttempts = 3
)

// appliedVersions reads goose's notes in schemas; none for one without them.
func appliedVersions(ctx context.Context, conn *pgx.Conn, schemas ...string) (versions map[string][]int64, err error) {
	const undefinedTable, undefinedSchema = "42P01", "3F000"
	for range readAttempts {
		if versions, err = readVersions(ctx, conn, schemas); !hasState(err, undefinedTable, undefinedSchema) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the versions of schemas: %w", err)
	}
	return versions, nil
}

func readVersions(ctx context.Context, conn *pgx.Conn, schemas []string) (map[string][]int64, error) {
	rows, err := conn.Query(ctx, `select n.nspname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relname = $1 and n.nspname = any($2::text[])`, versionTable, schemas)
	if err != nil {
		return nil, err
	}
	noted, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(noted) == 0 {
		return nil, err
	}
	queries := make([]string, len(noted))
	for i, name := range noted {
		queries[i] = fmt.Sprintf("select %d, version_id from %s where is_applied and version_id > 0", i, pgx.Identifier{name, versionTable}.Sanitize())
	}
	// Each has its own text, so preparing it would only fill the cache.
	rows, err = conn.Query(ctx, strings.Join(queries, " union all "), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	versions := make(map[string][]int64, len(noted))
	var (
		schema  int
		version int64
	)
	_, err = pgx.ForEachRow(rows, []any{&schema, &version}, func() error {
		versions[noted[schema]] = append(versions[noted[schema]], version)
		return nil
	})
	return versions, err
}
