package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// rowStage is a database with one tenant of so many students; it is filled if there is none.
func (d *database) rowStage(ctx context.Context, students int, out io.Writer) (*stage, error) {
	size := large.Size{Students: students, Years: 2, AttendanceDays: 1}
	name, err := d.seeded(ctx, size, out)
	if err != nil {
		return nil, err
	}
	s := &stage{axis: theRows, size: students, database: "growth_" + name, school: school{Size: size}, slugs: []string{slug}}
	return s, d.replace(ctx, s.database, name)
}

// tenantStages are databases with more and more small tenants; each is a copy of one that grows, and is kept.
func (d *database) tenantStages(ctx context.Context, sizes []int, out io.Writer) ([]*stage, error) {
	version, err := schemaVersion()
	if err != nil {
		return nil, err
	}
	const growingOne = "growth_unfinished"
	if err := d.replace(ctx, growingOne, "template0"); err != nil {
		return nil, err
	}
	if err := tenant.NewMigrator(d.url(growingOne)).Up(ctx, nil); err != nil {
		return nil, err
	}
	var stages []*stage
	made := 0
	for _, size := range sizes {
		fmt.Fprintf(out, "Making tenants: %d\n", size)
		begin, already := time.Now(), made
		for ; made < size; made++ {
			if err := d.smallTenant(ctx, growingOne, made); err != nil {
				return nil, err
			}
		}
		s := &stage{
			axis: theTenants, size: size, database: fmt.Sprintf("growth_tenants_%d_%s", size, version), school: school{Size: sizeOfTenant},
			built: time.Since(begin) / time.Duration(max(made-already, 1)),
		}
		for n := range size {
			s.slugs = append(s.slugs, slugOf(n))
		}
		if err := d.replace(ctx, s.database, growingOne); err != nil {
			return nil, err
		}
		stages = append(stages, s)
	}
	return stages, nil
}

func slugOf(n int) string { return fmt.Sprintf("%s-%d", slug, n) }

func (d *database) smallTenant(ctx context.Context, database string, n int) error {
	url := d.url(database)
	pool, err := db.Open(ctx, db.Config{URL: url, MaxConns: 2})
	if err != nil {
		return err
	}
	defer pool.Close() // a copy is made of a database that nobody is connected to
	t, err := tenant.NewRegistry(pool, url).Create(ctx, tenant.CreateParams{ID: uuid.NewSHA1(tenantID, []byte(slugOf(n))), Slug: slugOf(n), Name: "Made-up schools"})
	if err != nil {
		return err
	}
	size := sizeOfTenant
	if size.PasswordHash, err = auth.HashPassword(ctx, password); err != nil {
		return err
	}
	if err := large.Fill(ctx, pool, t.ID, size, nil); err != nil {
		return err
	}
	return pool.Load(ctx, t.ID, db.Options{Timeout: loadTimeout}, letIn)
}
