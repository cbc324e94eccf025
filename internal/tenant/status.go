package tenant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

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
}

// Status reports on the registry first, on the job queue second, then on the tenants that are active or suspended, by slug. It changes nothing.
func (m *Migrator) Status(ctx context.Context) ([]SchemaStatus, error) {
	conn, err := connect(ctx, m.url)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	control, err := m.schemaStatus(ctx, conn, controlSchema, "control")
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
	for _, t := range tenants {
		s, err := m.schemaStatus(ctx, conn, db.SchemaName(t.ID), "tenant")
		if err != nil {
			return nil, fmt.Errorf("tenant %q: %w", t.Slug, err)
		}
		s.Slug = t.Slug
		all = append(all, s)
	}
	return all, nil
}

// Check returns ErrMigrationsPending when the registry or the job queue is missing or behind. It looks at no tenant, so it
// is cheap enough for the start of a server with thousands of tenants.
func (m *Migrator) Check(ctx context.Context) error {
	conn, err := connect(ctx, m.url)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	control, err := m.schemaStatus(ctx, conn, controlSchema, "control")
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

func (m *Migrator) schemaStatus(ctx context.Context, conn *pgx.Conn, name, folder string) (SchemaStatus, error) {
	known, err := versionsIn(m.files, folder)
	if err != nil {
		return SchemaStatus{}, err
	}
	applied, err := appliedVersions(ctx, conn, name)
	if err != nil {
		return SchemaStatus{}, err
	}
	s := SchemaStatus{Name: name}
	if len(applied) > 0 {
		s.Version = slices.Max(applied)
	}
	for _, v := range known {
		if !slices.Contains(applied, v) {
			s.Pending++
		}
	}
	return s, nil
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

// appliedVersions reads goose's notes; none for a schema without them.
func appliedVersions(ctx context.Context, conn *pgx.Conn, name string) ([]int64, error) {
	const undefinedTable, undefinedSchema = "42P01", "3F000"
	table := pgx.Identifier{name, versionTable}.Sanitize()
	// Each schema has its own text, so preparing it would only fill the cache.
	rows, err := conn.Query(ctx, "select version_id from "+table+" where is_applied and version_id > 0",
		pgx.QueryExecModeExec)
	if err == nil {
		var versions []int64
		if versions, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err == nil {
			return versions, nil
		}
	}
	if hasState(err, undefinedTable, undefinedSchema) {
		return nil, nil
	}
	return nil, fmt.Errorf("read the version of schema %s: %w", name, err)
}
