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
	s := &stage{axis: theRows, size: students, original: name, database: "growth_" + name, school: school{Size: size}, slugs: []string{slug}}
	return s, d.replace(ctx, s.database, s.original)
}

// tenantStages are databases with more and more small tenants: copies of what is made if one of them is not there.
func (d *database) tenantStages(ctx context.Context, sizes []int, out io.Writer) ([]*stage, error) {
	version, err := schemaVersion()
	if err != nil {
		return nil, err
	}
	stages := make([]*stage, len(sizes))
	for i, size := range sizes {
		stages[i] = &stage{
			axis: theTenants, size: size, original: fmt.Sprintf("tenants_%d_%s", size, version), database: fmt.Sprintf("growth_tenants_%d", size),
			school: school{Size: large.Size{Students: studentsOfTenant, Years: 1}},
		}
		for n := range size {
			stages[i].slugs = append(stages[i].slugs, slugOf(n))
		}
	}
	if err := d.fillStages(ctx, stages, out); err != nil {
		return nil, err
	}
	for _, s := range stages {
		if err := d.replace(ctx, s.database, s.original); err != nil {
			return nil, err
		}
	}
	return stages, nil
}

// fillStages makes the originals, each of them a copy of one database that grows, or finds all of them there.
func (d *database) fillStages(ctx context.Context, stages []*stage, out io.Writer) error {
	found, err := d.findStages(ctx, stages)
	if err != nil || found {
		return err
	}
	const growingOne = "growth_unfinished"
	if err := d.replace(ctx, growingOne, "template0"); err != nil {
		return err
	}
	if err := tenant.NewMigrator(d.url(growingOne)).Up(ctx, nil); err != nil {
		return err
	}
	small := stages[0].school.Size
	if small.PasswordHash, err = auth.HashPassword(ctx, password); err != nil {
		return err
	}
	made := 0
	for _, s := range stages {
		fmt.Fprintf(out, "Making tenants: %d; this is done once.\n", s.size)
		begin, already := time.Now(), made
		if err := makeTenants(ctx, d.url(growingOne), made, s.size, small); err != nil {
			return err
		}
		made = max(made, s.size)
		s.built = time.Since(begin) / time.Duration(max(made-already, 1))
		if err := d.replace(ctx, s.original, growingOne); err != nil {
			return err
		}
		if err := d.exec(ctx, fmt.Sprintf("comment on database %s is '%v'", s.original, s.built)); err != nil {
			return err
		}
	}
	return d.exec(ctx, "drop database "+growingOne)
}

// findStages reports whether all originals are there, and reads how long making each of their tenants took: the comment says it.
func (d *database) findStages(ctx context.Context, stages []*stage) (bool, error) {
	for _, s := range stages {
		var built string
		err := d.admin.QueryRow(ctx, "select coalesce(max(shobj_description(oid, 'pg_database')), '') from pg_catalog.pg_database where datname = $1", s.original).Scan(&built)
		if err != nil {
			return false, fmt.Errorf("look for the database: %w", err)
		}
		if s.built, err = time.ParseDuration(built); err != nil {
			return false, nil //nolint:nilerr // there is none, or it was not finished
		}
	}
	return true, nil
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
