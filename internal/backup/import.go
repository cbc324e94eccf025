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

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// Import makes a tenant of this slug from a directory. Its webhooks are switched off: whose they are may not expect a second
// sender.
func (s Store) Import(ctx context.Context, dir, slug string) (tenant.Tenant, Manifest, error) {
	m, err := s.check(dir)
	if err != nil {
		return tenant.Tenant{}, m, err
	}
	t, err := s.Registry.Restore(ctx, tenant.CreateParams{Slug: slug, Name: m.Tenant.Name}, func(ctx context.Context, tx pgx.Tx, t tenant.Tenant) error {
		err := withoutTriggers(ctx, tx, m.Tables, func() error {
			if err := m.load(ctx, tx, dir); err != nil {
				return err
			}
			for _, column := range s.Sealed {
				if err := s.reseal(ctx, tx, column, m.Tenant.ID, t.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return settle(ctx, tx, m, t)
	})
	return t, m, err
}

// check reads the manifest and holds the files against it, before anything is made.
func (s Store) check(dir string) (m Manifest, err error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("%s has no %s: it is no complete export", dir, manifestName)
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read the manifest: %w", err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the export has format %d; this program reads %d", m.Format, format)
	}
	mine, err := tenant.Version()
	if err != nil {
		return m, err
	}
	if m.SchemaVersion != mine {
		return m, fmt.Errorf("the export has schema version %d and this program %d: import it with the release that exported it (%s), then run rollcall migrate up",
			m.SchemaVersion, mine, m.Program)
	}
	if m.KeyDigest != hex.EncodeToString(tenant.KeyDigest(s.Box)) {
		return m, errors.New("the export is sealed with another ROLLCALL_ENCRYPTION_KEY: national ids, second factors and secrets of webhooks need the key of where it comes from")
	}
	for i := range m.Tables {
		if err := m.Tables[i].checkFile(dir); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (t *Table) checkFile(dir string) error {
	if t.Name != filepath.Base(t.Name) {
		return fmt.Errorf("%q is no name of a table", t.Name)
	}
	file, err := os.Open(t.file(dir))
	if err != nil {
		return fmt.Errorf("read table %s: %w", t.Name, err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return fmt.Errorf("read table %s: %w", t.Name, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != t.SHA256 {
		return fmt.Errorf("%s.csv is not what the manifest says: it was changed or cut off", t.Name)
	}
	return nil
}

// load fills the tables, and holds what they have then against the manifest.
func (m Manifest) load(ctx context.Context, tx pgx.Tx, dir string) error {
	tables, err := tablesOf(ctx, tx)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(tables, m.Tables, func(a, b Table) bool { return a.Name == b.Name && slices.Equal(a.Columns, b.Columns) }) {
		return errors.New("the export has other tables or columns than this program")
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	if _, err := tx.Exec(ctx, "truncate "+quoted(append([]string{"sessions"}, names...))+" cascade"); err != nil { // migrations fill some
		return fmt.Errorf("empty the tables: %w", err)
	}
	for i := range m.Tables {
		if err := m.Tables[i].load(ctx, tx, dir); err != nil {
			return err
		}
	}
	return nil
}

// withoutTriggers runs work while no trigger of the tables does: rows that are moved are no events, and what triggers check was checked
// where the rows were written.
func withoutTriggers(ctx context.Context, tx pgx.Tx, tables []Table, work func() error) error {
	turn := func(how string) error {
		for _, t := range tables {
			if _, err := tx.Exec(ctx, "alter table "+quoted([]string{t.Name})+" "+how+" trigger user"); err != nil {
				return fmt.Errorf("%s the triggers of %s: %w", how, t.Name, err)
			}
		}
		return nil
	}
	if err := turn("disable"); err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	return turn("enable")
}

func (t *Table) load(ctx context.Context, tx pgx.Tx, dir string) error {
	file, err := os.Open(t.file(dir))
	if err != nil {
		return fmt.Errorf("read table %s: %w", t.Name, err)
	}
	defer func() { _ = file.Close() }()
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, file, fmt.Sprintf("copy %s (%s) from stdin (format csv, header)", quoted([]string{t.Name}), quoted(t.Columns))); err != nil {
		return fmt.Errorf("load table %s: %w", t.Name, err)
	}
	rows, digest, err := t.copyOut(ctx, tx, io.Discard)
	if err == nil && (rows != t.Rows || digest != t.SHA256) {
		err = fmt.Errorf("table %s has %d rows with digest %s after loading, and should have %d with %s", t.Name, rows, digest, t.Rows, t.SHA256)
	}
	return err
}

// reseal seals the values of a column for their places in the new tenant.
func (s Store) reseal(ctx context.Context, tx pgx.Tx, c seal.Column, from, to uuid.UUID) error {
	rows, err := tx.Query(ctx, fmt.Sprintf("select %s, %s from %s where %[2]s is not null", quoted([]string{c.Key}), quoted([]string{c.Name}), quoted([]string{c.Table})))
	if err != nil {
		return fmt.Errorf("read %s.%s: %w", c.Table, c.Name, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	if err != nil {
		return fmt.Errorf("read %s.%s: %w", c.Table, c.Name, err)
	}
	if len(values) == 0 {
		return nil
	}
	keys, sealed, digests := make([]uuid.UUID, len(values)), make([][]byte, len(values)), make([][]byte, len(values))
	for i, v := range values {
		value, err := s.Box.Open(v.Sealed, c.Place(from, v.Key))
		if err != nil {
			return fmt.Errorf("open %s.%s: %w", c.Table, c.Name, err)
		}
		keys[i], sealed[i] = v.Key, s.Box.Seal(value, c.Place(to, v.Key))
		if c.DigestName != "" {
			digests[i] = s.Box.Digest(value, c.Domain(to))
		}
	}
	set := quoted([]string{c.Name}) + " = n.sealed"
	if c.DigestName != "" {
		set += ", " + quoted([]string{c.DigestName}) + " = n.digest"
	}
	_, err = tx.Exec(ctx, fmt.Sprintf("update %s as t set %s from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as n (key, sealed, digest) where t.%s = n.key",
		quoted([]string{c.Table}), set, quoted([]string{c.Key})), keys, sealed, digests)
	if err != nil {
		return fmt.Errorf("seal %s.%s anew: %w", c.Table, c.Name, err)
	}
	return nil
}

// settle continues numbers that count on, takes over what the registry says of the tenant, and switches its webhooks off.
func settle(ctx context.Context, tx pgx.Tx, m Manifest, t tenant.Tenant) error {
	for _, statement := range []string{
		"select setval(pg_get_serial_sequence('outbox_events', 'position'), coalesce(max(position), 0) + 1, false) from outbox_events",
		"update webhooks set is_active = false where is_active",
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("settle what was loaded: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, "update control.tenants set require_mfa = $2 where id = $1", t.ID, m.Tenant.RequireMFA); err != nil {
		return fmt.Errorf("take over what is said of the tenant: %w", err)
	}
	return nil
}
