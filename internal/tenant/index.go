package tenant

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Production indexes are built CONCURRENTLY, in migrations that are no transactions (schema/tenant). That has two consequences.

// dropInvalidIndexes removes what failed builds have left: `if not exists` would take it for the index. Nobody else builds one
// here, since the schema is locked.
func (s *lockedSchema) dropInvalidIndexes(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, `select c.relname::text from pg_catalog.pg_index i
		join pg_catalog.pg_class c on c.oid = i.indexrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and not i.indisvalid`, s.name)
	if err != nil {
		return fmt.Errorf("look for invalid indexes in schema %s: %w", s.name, err)
	}
	invalid, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for invalid indexes in schema %s: %w", s.name, err)
	}
	for _, name := range invalid {
		if err := s.exec(ctx, "drop index concurrently if exists "+pgx.Identifier{s.name, name}.Sanitize()); err != nil {
			return fmt.Errorf("remove the invalid index %s of schema %s: %w", name, s.name, err)
		}
	}
	return nil
}

// forNewTenant are the migrations for a tenant in which there is nobody yet: its indexes need not be built concurrently, which
// waits, index by index, for every transaction in the whole database.
type forNewTenant struct{ fs.FS }

func (f forNewTenant) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("read migration %s: %w", name, err)
	}
	return textFile{file, strings.NewReader(strings.ReplaceAll(string(content), "create index concurrently ", "create index "))}, nil
}

// textFile is a file with another text.
type textFile struct {
	fs.File

	text io.Reader
}

func (f textFile) Read(p []byte) (int, error) { return f.text.Read(p) }
