package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/schema"
)

// Version is the newest version of a tenant's schema that this program makes.
func Version() (int64, error) {
	versions, err := versionsIn(schema.Files, "tenant")
	if err != nil {
		return 0, err
	}
	return versions[len(versions)-1], nil
}

// Snapshot runs work in a transaction that reads one tenant's schema as it is at one moment, whatever is written meanwhile. The
// tenant may be suspended. version is that of its schema.
func (r *Registry) Snapshot(ctx context.Context, t Tenant, work func(ctx context.Context, tx pgx.Tx, version int64) error) error {
	conn, err := connect(ctx, r.url)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	found, err := appliedVersions(ctx, conn, db.SchemaName(t.ID))
	applied := found[db.SchemaName(t.ID)]
	if err != nil || len(applied) == 0 {
		return errors.Join(err, fmt.Errorf("tenant %q has no schema", t.Slug))
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin the snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := enterAsOwner(ctx, tx, db.SchemaName(t.ID)); err != nil {
		return err
	}
	return work(ctx, tx, slices.Max(applied))
}

// Restore creates a tenant that work fills, as the owner of its tables: in the transaction that also makes it active. When anything
// fails there is nothing of the tenant. The errors are those of Create.
func (r *Registry) Restore(ctx context.Context, p CreateParams, work func(ctx context.Context, tx pgx.Tx, t Tenant) error) (Tenant, error) {
	if err := p.validate(); err != nil {
		return Tenant{}, err
	}
	if _, err := r.BySlug(ctx, p.Slug); err == nil {
		return Tenant{}, apperr.New(apperr.Conflict, fmt.Sprintf("There is a tenant %q already; give another name.", p.Slug))
	}
	t, err := r.register(ctx, p)
	if err != nil {
		return Tenant{}, err
	}
	if err := r.fill(ctx, t, work); err != nil {
		return Tenant{}, errors.Join(err, r.Erase(context.WithoutCancel(ctx), t))
	}
	return r.ByID(ctx, t.ID)
}

func (r *Registry) fill(ctx context.Context, t Tenant, work func(ctx context.Context, tx pgx.Tx, t Tenant) error) error {
	s, err := lockSchema(ctx, r.url, db.SchemaName(t.ID), nil)
	if err != nil {
		return err
	}
	defer s.unlock(ctx)
	if err := s.upgradeTenant(ctx, forNewTenant{schema.Files}); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if err := enterAsOwner(ctx, tx, s.name); err != nil {
			return err
		}
		if err := work(ctx, tx, t); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update control.tenants set status = $2, updated_at = now() where id = $1", t.ID, string(Active)); err != nil {
			return fmt.Errorf("activate the tenant: %w", err)
		}
		return nil
	})
}

// enterAsOwner makes names without a schema the tenant's, values print the same everywhere, and says who writes.
func enterAsOwner(ctx context.Context, tx pgx.Tx, schemaName string) error {
	actor, err := db.ActorSetting(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `select set_config('search_path', $1, true), set_config('rollcall.actor', $2, true), set_config('timezone', 'UTC', true),
		set_config('datestyle', 'ISO, YMD', true), set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)`, schemaName, actor)
	if err != nil {
		return fmt.Errorf("enter schema %s: %w", schemaName, err)
	}
	return nil
}

// Erase removes a tenant for good: its schema with all that is in it, its roles, its row in the registry. It may be repeated
// when it failed. A role that another database of the server still uses, a copy of this one say, stays.
func (r *Registry) Erase(ctx context.Context, t Tenant) error {
	s, err := lockSchema(ctx, r.url, db.SchemaName(t.ID), nil)
	if err != nil {
		return err
	}
	defer s.unlock(ctx)
	if t.Status == Active {
		if err := r.setStatus(ctx, t.ID, Suspended, Active, Suspended); err != nil {
			return err
		}
	}
	err = pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		for _, statement := range []string{
			"set local lock_timeout = " + fmt.Sprint(lockTimeout.Milliseconds()), "drop schema if exists " + quote(s.name) + " cascade",
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "delete from control.webhook_wakeups where tenant_id = $1", t.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "delete from control.tenants where id = $1", t.ID) // what else belongs to it in the registry goes with it
		return err
	})
	if err != nil {
		return fmt.Errorf("erase tenant %q (it may be repeated): %w", t.Slug, err)
	}
	return s.dropRoles(ctx)
}

func (s *lockedSchema) dropRoles(ctx context.Context) error {
	const dependentObjects, undefinedObject = "2BP01", "42704"
	for _, role := range rolesOf(s.name) {
		err := s.exec(ctx, "drop role if exists "+quote(role))
		if err != nil && !hasState(err, dependentObjects, undefinedObject) {
			return fmt.Errorf("drop role %s: %w", role, err)
		}
	}
	return nil
}
