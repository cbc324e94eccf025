package tenant_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/schema"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func requireKind(t *testing.T, kind apperr.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind.String(), apperr.KindOf(err).String(), err)
}

// write is a transaction that succeeds in a complete tenant only.
func write(ctx context.Context, d *db.DB, id uuid.UUID) error {
	return d.InTx(ctx, db.Tenant(id), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		code := strings.ToUpper(uuid.NewString()[:18])
		_, err := q.CreateInstitution(ctx, gendb.CreateInstitutionParams{ID: uuid.New(), Name: code, Code: code, TimeZone: "UTC"})
		if err == nil {
			_, err = q.CountStudents(ctx, gendb.CountStudentsParams{Most: 1})
		}
		return err
	})
}

// writeAndLook writes a class, and looks for it in views of each kind.
func writeAndLook(ctx context.Context, d *db.DB, id uuid.UUID) error {
	institution, class := uuid.New(), uuid.New()
	if err := d.InTx(ctx, db.Tenant(id), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		code := strings.ToUpper(institution.String()[:18])
		if _, err := q.CreateInstitution(ctx, gendb.CreateInstitutionParams{ID: institution, Name: code, Code: code, TimeZone: "UTC"}); err != nil {
			return err
		}
		_, err := q.CreateClass(ctx, gendb.CreateClassParams{ID: class, InstitutionID: institution, Name: "A"})
		return err
	}); err != nil {
		return err
	}
	for _, view := range []struct {
		of    db.Visibility
		shows bool
	}{
		{db.Visibility{All: true}, true},
		{db.Visibility{Institutions: []uuid.UUID{institution}}, true},
		{db.Visibility{Institutions: []uuid.UUID{uuid.New()}}, false},
		{db.Visibility{TeacherOf: uuid.New()}, false},
	} {
		err := d.InTx(ctx, db.Tenant(id).Limited(view.of), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
			_, err := q.GetClass(ctx, class)
			return err
		})
		if hidden := apperr.KindOf(err) == apperr.NotFound; hidden == view.shows || err != nil && !hidden {
			return fmt.Errorf("looking for %s with %+v: %w", class, view.of, err)
		}
	}
	return nil
}

// plus is the next version of this program, with one more migration (a path and its statement).
func plus(t *testing.T, path, statement string) fs.FS {
	t.Helper()
	files := fstest.MapFS{path: {Data: []byte("-- +goose Up\n" + statement + ";\n")}}
	require.NoError(t, fs.WalkDir(schema.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(schema.Files, path)
		files[path] = &fstest.MapFile{Data: content}
		return err
	}))
	return files
}

// next has one more table in every tenant.
func next(t *testing.T) fs.FS {
	t.Helper()
	return plus(t, "tenant/90000_next.sql", "create table next_version (id uuid primary key)")
}

// versions are the migrations that a schema has, 0 for goose's own mark included.
func versions(t *testing.T, d *dbtest.Database, schemaName string) []int64 {
	t.Helper()
	return dbtest.Values[int64](t, d, "select version_id from "+schemaName+".goose_db_version order by id")
}

// blockCreation makes the creation of a tenant fail half way, until the function that it returns is called.
func blockCreation(t *testing.T, d *dbtest.Database, id uuid.UUID) (unblock func()) {
	t.Helper()
	name := db.SchemaName(id)
	d.Exec(t, "create schema "+name)
	d.Exec(t, "create table "+name+".institutions (n integer)") // the second migration's
	return func() { d.Exec(t, "drop table "+name+".institutions") }
}

func params(id uuid.UUID, slug string) tenant.CreateParams {
	return tenant.CreateParams{ID: id, Slug: slug, Name: "School group " + slug}
}
