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
	small := large.Size{Students: studentsOfTenant, Years: 1}
	if small.PasswordHash, err = auth.HashPassword(ctx, password); err != nil {
		return nil, err
	}
	var stages []*stage
	made := 0
	for _, size := range sizes {
		fmt.Fprintf(out, "Making tenants: %d\n", size)
		begin, already := time.Now(), made
		if err := makeTenants(ctx, d.url(growingOne), made, size, small); err != nil {
			return nil, err
		}
		made = max(made, size)
		s := &stage{
			axis: theTenants, size: size, database: fmt.Sprintf("growth_tenants_%d_%s", size, version), school: school{Size: small},
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

// makeTenants makes those from a number to another. Nobody is connected afterwards: a copy is made next. A connection is not kept for
// the next tenant: what it has planned for the ones before would be looked through for each of its tables.
func makeTenants(ctx context.Context, url string, from, to int, size large.Size) error {
	pool, err := db.Open(ctx, db.Config{URL: url, MaxConns: 2, MaxTenants: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	registry := tenant.NewRegistry(pool, url)
	for n := from; n < to; n++ {
		t, err := registry.Create(ctx, tenant.CreateParams{ID: uuid.NewSHA1(tenantID, []byte(slugOf(n))), Slug: slugOf(n), Name: "Made-up schools"})
		if err != nil {
			return err
		}
		if err := large.Fill(ctx, pool, t.ID, size, nil); err != nil {
			return err
		}
		if err := pool.Load(ctx, t.ID, db.Options{Timeout: loadTimeout}, letIn); err != nil {
			return err
		}
	}
	return nil
}
