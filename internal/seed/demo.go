// Package seed fills tenants with demo data.
//
// The demo school has fixed ids and dates, because the examples of openapi.yaml speak of it. A second, equal tenant has the
// same ids for other people, so that the isolation of tenants can be seen at once. `rollcall dev` (make run) seeds both;
// `rollcall serve` never does.
package seed

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// DemoPassword is the password of every demo sign-in.
const DemoPassword = "rollcall demo 2026" //nolint:gosec // no secret: it is in the README

// DemoTenants are the ids of the two demo tenants.
var (
	DemoTenant  = demoID(0xd001)
	Demo2Tenant = demoID(0xd002)
)

// demoID is a fixed id, recognisable by its last digits: 1xx institutions, 2xx years, 3xx classes, 4xx sections,
// 5xx staff, 6xx students, 7xx their users, 8xx guardians, 9xx enrollments, axx sessions, bxx roles, 10xx subjects, 12xx exams,
// cxx webhooks, exx events, fxx deliveries. The further students of the demo school and what belongs to them have a
// nought more: the 25th student is 6025.
func demoID(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012x", n))
}

// numbered is demoID for numbers that read as decimal: numbered(601) ends in 601.
func numbered(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012d", n))
}

// SignIn is a demo sign-in.
type SignIn struct{ Tenant, Email, Role string }

// SignIns are the demo sign-ins, for printing.
func SignIns() []SignIn {
	var all []SignIn
	for _, s := range []school{ashaVidyalaya, lindenhof} {
		for _, p := range s.staff {
			all = append(all, SignIn{Tenant: s.slug, Email: p.role + "@" + s.domain, Role: p.role})
		}
	}
	return all
}

// Demo creates and fills the demo tenants, each in one transaction. What is there already stays as it is.
func Demo(ctx context.Context, d *db.DB, registry *tenant.Registry, box *seal.Box) error {
	hash, err := auth.HashPassword(ctx, DemoPassword)
	if err != nil {
		return err
	}
	ctx = db.WithActor(ctx, db.Actor{Kind: db.ActorOperator, Action: "seed"})
	for _, s := range []school{ashaVidyalaya, lindenhof} {
		if err := ensureTenant(ctx, registry, s); err != nil {
			return err
		}
		w := writer{school: s, box: box, passwordHash: hash}
		if err := d.InTx(ctx, db.Tenant(s.id), db.Options{Timeout: writeTimeout}, w.write); err != nil {
			return fmt.Errorf("seed tenant %s: %w", s.slug, err)
		}
		if err := sealTrail(ctx, d, s.id); err != nil {
			return fmt.Errorf("seed tenant %s: %w", s.slug, err)
		}
	}
	return nil
}

// sealTrail gives what was written its place in the chain, as the periodic task would within a minute.
func sealTrail(ctx context.Context, d *db.DB, tenant uuid.UUID) error {
	return d.InTx(ctx, db.Tenant(tenant), db.Options{Timeout: writeTimeout}, func(ctx context.Context, q *db.Queries) error {
		_, err := q.SealAuditEvents(ctx, math.MaxInt32)
		return err
	})
}

func ensureTenant(ctx context.Context, registry *tenant.Registry, s school) error {
	existing, err := registry.BySlug(ctx, s.slug)
	switch {
	case apperr.KindOf(err) == apperr.NotFound, err == nil && existing.Status == tenant.Provisioning:
		_, err = registry.Create(ctx, tenant.CreateParams{ID: s.id, Slug: s.slug, Name: s.name})
	case err == nil && existing.ID != s.id:
		return fmt.Errorf("there is a tenant %q already that is not the demo's; remove or rename it", s.slug)
	}
	if err != nil {
		return fmt.Errorf("create tenant %s: %w", s.slug, err)
	}
	return nil
}
