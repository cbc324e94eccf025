package tenant

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// upgradeRiver makes and migrates the schema of the job queue, with the queue's own migrations. The registry's lock, which
// the caller holds, keeps others out.
func (s *lockedSchema) upgradeRiver(ctx context.Context) error {
	if err := s.createSchema(ctx, db.RiverSchema); err != nil {
		return err
	}
	return withRiver(ctx, s.url, func(m *rivermigrate.Migrator[pgx.Tx]) error {
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate schema %s: %w", db.RiverSchema, err)
		}
		return nil
	})
}

// riverStatus says how far the schema of the job queue has been migrated.
func riverStatus(ctx context.Context, url string) (SchemaStatus, error) {
	s := SchemaStatus{Name: db.RiverSchema}
	err := withRiver(ctx, url, func(m *rivermigrate.Migrator[pgx.Tx]) error {
		applied, err := m.ExistingVersions(ctx)
		if err != nil {
			return fmt.Errorf("read the version of schema %s: %w", db.RiverSchema, err)
		}
		for _, a := range applied {
			s.Version = max(s.Version, int64(a.Version))
		}
		s.Pending = len(m.AllVersions()) - len(applied)
		return nil
	})
	return s, err
}

// withRiver runs work with the queue's migrator, on one connection.
func withRiver(ctx context.Context, url string, work func(*rivermigrate.Migrator[pgx.Tx]) error) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	config.MaxConns = 1
	setMigrationParameters(config.ConnConfig.RuntimeParams, "")
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: db.RiverSchema, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fmt.Errorf("read the queue's migrations: %w", err)
	}
	return work(m)
}
