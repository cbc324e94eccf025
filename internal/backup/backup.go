// Package backup moves one tenant: out into a directory, and from there into another tenant of this installation or another.
//
//	DIR/manifest.json    whose it is, the version of its schema, and of each table the columns, number of rows and digest
//	DIR/students.csv     one file a table, as PostgreSQL's COPY writes CSV, ordered by primary key
//
// The export is one snapshot. The import builds a new tenant and loads all tables in the transaction that makes it active: there is
// all of it or nothing. What was loaded is written out again and has to give the digests of the manifest. Sealed values name their
// tenant, so they are sealed anew, for which the key must be the same. The audit trail is copied as it is: its chain names no
// tenant, and holds.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/version"
)

// format is that of the directory.
const format = 1

const manifestName = "manifest.json"

// Manifest says what a directory holds.
type Manifest struct {
	Format        int           `json:"format"`
	Program       string        `json:"program"` // that wrote it
	ExportedAt    time.Time     `json:"exportedAt"`
	Tenant        tenant.Tenant `json:"tenant"`
	SchemaVersion int64         `json:"schemaVersion"`
	KeyDigest     string        `json:"keyDigest"` // of the key that values are sealed with (tenant.KeyDigest)
	Tables        []Table       `json:"tables"`    // in the order in which they can be loaded
}

// Table is one file.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Key     []string `json:"key"` // the primary key, which orders the rows
	Rows    int64    `json:"rows"`
	SHA256  string   `json:"sha256"`
}

func (t *Table) file(dir string) string { return filepath.Join(dir, t.Name+".csv") }

// Rows is how many there are in all tables.
func (m Manifest) Rows() (n int64) {
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

// Store is where tenants are, and what is needed to move one.
type Store struct {
	Registry *tenant.Registry
	Box      *seal.Box
	Sealed   []seal.Column // of all packages
}

// Export writes a tenant into a directory that is empty or not there yet. Without a manifest.json, which comes last, it is not
// complete.
func (s Store) Export(ctx context.Context, t tenant.Tenant, dir string) (Manifest, error) {
	if err := emptyDirectory(dir); err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Format: format, Program: version.Read().Version, ExportedAt: time.Now().UTC(), Tenant: t, KeyDigest: hex.EncodeToString(tenant.KeyDigest(s.Box)),
	}
	err := s.Registry.Snapshot(ctx, t, func(ctx context.Context, tx pgx.Tx, schemaVersion int64) error {
		m.SchemaVersion = schemaVersion
		tables, err := tablesOf(ctx, tx)
		if err != nil {
			return err
		}
		for i := range tables {
			if err := tables[i].write(ctx, tx, dir); err != nil {
				return err
			}
		}
		m.Tables = tables
		return nil
	})
	if err != nil {
		return Manifest{}, err
	}
	return m, m.write(dir)
}

func emptyDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into the directory: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: an export has a directory of its own", dir)
	}
	return nil
}

func (m Manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestName), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

// write writes the table's file, and notes rows and digest.
func (t *Table) write(ctx context.Context, tx pgx.Tx, dir string) (err error) {
	file, err := os.OpenFile(t.file(dir), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write table %s: %w", t.Name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	t.Rows, t.SHA256, err = t.copyOut(ctx, tx, file)
	return err
}

// copyOut writes the table in its order, and returns the number of rows and the digest of what was written.
func (t *Table) copyOut(ctx context.Context, tx pgx.Tx, to io.Writer) (rows int64, digest string, err error) {
	sum := sha256.New()
	tag, err := tx.Conn().PgConn().CopyTo(ctx, io.MultiWriter(to, sum),
		fmt.Sprintf("copy (select %s from %s order by %s) to stdout (format csv, header)", quoted(t.Columns), quoted([]string{t.Name}), quoted(t.Key)))
	if err != nil {
		return 0, "", fmt.Errorf("read table %s: %w", t.Name, err)
	}
	return tag.RowsAffected(), hex.EncodeToString(sum.Sum(nil)), nil
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(all, ", ")
}

// leftOut are tables that are of no use in another place.
var leftOut = []string{
	"goose_db_version", // made by the migrations
	"sessions",         // a token names its tenant: they end
	"idempotency_keys", // sealed for their owners, and kept for a day
	"guesses",          // tries at passwords, which fade within a day
}

// tablesOf are the tables of the transaction's schema, those that others refer to first.
func tablesOf(ctx context.Context, tx pgx.Tx) ([]Table, error) {
	rows, err := tx.Query(ctx, `select t.relname::text as name,
			(select array_agg(a.attname::text order by a.attnum) from pg_attribute a where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
			(select array_agg(a.attname::text order by array_position(k.conkey, a.attnum)) from pg_attribute a where a.attrelid = t.oid and a.attnum = any(k.conkey)) as key,
			(select coalesce(array_agg(distinct o.relname::text), '{}') from pg_constraint f join pg_class o on o.oid = f.confrelid
			 where f.conrelid = t.oid and f.contype = 'f' and f.confrelid <> t.oid) as refers_to
		from pg_class t join pg_constraint k on k.conrelid = t.oid and k.contype = 'p'
		where t.relnamespace = current_schema()::regnamespace and t.relkind = 'r' and t.relname <> all($1) order by 1`, leftOut)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Name                   string
		Columns, Key, RefersTo []string
	}])
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	done := map[string]bool{}
	var tables []Table
	for len(tables) < len(found) {
		before := len(tables)
		for _, t := range found {
			if !done[t.Name] && !slices.ContainsFunc(t.RefersTo, func(name string) bool { return !done[name] }) {
				done[t.Name] = true
				tables = append(tables, Table{Name: t.Name, Columns: t.Columns, Key: t.Key})
			}
		}
		if len(tables) == before {
			return nil, errors.New("tables refer to each other in a circle, or to one that is left out")
		}
	}
	return tables, nil
}

// place is one sealed value on its way from one tenant to another.
type place struct {
	Key    uuid.UUID
	Sealed []byte
}
