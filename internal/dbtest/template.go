package dbtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// template is a database that others are cloned from.
type template struct {
	// name builds it when first called, and returns the database's name. Nobody can connect to it from then on: a
	// database can be cloned only while no one else uses it.
	name func() (string, error)
}

// baseTemplate is migrated and empty.
var baseTemplate = newTemplate("template0", func(ctx context.Context, url string) error {
	return tenant.NewMigrator(url).Up(ctx, nil)
})

var templates = struct {
	sync.Mutex
	custom map[string]*template
	built  []string // names of databases
}{custom: map[string]*template{}}

// customTemplate is the template of this name; build is used if nobody asked for it before.
func customTemplate(name string, build func(ctx context.Context, url string) error) *template {
	templates.Lock()
	defer templates.Unlock()
	if templates.custom[name] == nil {
		templates.custom[name] = &template{name: sync.OnceValues(func() (string, error) {
			base, err := baseTemplate.name()
			if err != nil {
				return "", err
			}
			return newTemplate(base, build).name()
		})}
	}
	return templates.custom[name]
}

func newTemplate(from string, build func(ctx context.Context, url string) error) *template {
	return &template{name: sync.OnceValues(func() (string, error) { return buildTemplate(from, build) })}
}

func buildTemplate(from string, build func(ctx context.Context, url string) error) (string, error) {
	s, err := theServer()
	if err != nil {
		return "", err
	}
	// Not a test's context: other tests wait for the same template.
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	name := newName("template")
	if err := s.create(ctx, name, from); err != nil {
		return "", err
	}
	templates.Lock()
	templates.built = append(templates.built, name)
	templates.Unlock()
	if err := build(ctx, s.urlOf(name)); err != nil {
		return "", err
	}
	if _, err := s.admin.Exec(ctx, "alter database "+quote(name)+" allow_connections false"); err != nil {
		return "", fmt.Errorf("close template %s: %w", name, err)
	}
	return name, nil
}

// dropTemplates cleans up on a server that stays.
func dropTemplates(ctx context.Context, s *server) error {
	var failures []error
	for _, name := range templates.built {
		if _, err := s.admin.Exec(ctx, "alter database "+quote(name)+" allow_connections true"); err != nil {
			failures = append(failures, err)
		}
		failures = append(failures, s.drop(ctx, name))
	}
	return errors.Join(failures...)
}
