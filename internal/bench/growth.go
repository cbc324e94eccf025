package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// growthOptions are the flags of `bench growth`: what more rows in a tenant cost, and more tenants on a server (`make growth`).
type growthOptions struct {
	options

	rows, tenants numbers
}

// numbers is a flag: 1,10,100.
type numbers []int

func (n *numbers) String() string { return strings.Trim(fmt.Sprint(*n), "[]") }

func (n *numbers) Set(text string) error {
	*n = nil
	for field := range strings.SplitSeq(text, ",") {
		number, err := strconv.Atoi(field)
		if err != nil || number < 1 {
			return fmt.Errorf("%q is not a number from 1 on", field)
		}
		*n = append(*n, number)
	}
	return nil
}

// axis is what grows.
type axis string

const (
	theRows    axis = "rows"
	theTenants axis = "tenants"
)

// stage is one size that is measured: a database.
type stage struct {
	axis     axis
	size     int // students in the tenant, or tenants
	database string
	original string // that it is a copy of
	school   school
	slugs    []string
	tokens   []string
	built    time.Duration // what making it took, for each that was made
}

// grown is what a stage has cost, once.
type grown struct {
	work    map[string]loadReport
	start   time.Duration // of serve, from its start until it serves
	migrate time.Duration // of migrate up, with nothing to do
	service int64         // bytes at its peak
	backend int64         // bytes that a connection has in PostgreSQL for itself, on average
}

// growing are the works whose cost must not grow with what is not asked for.
var growing = []string{"list", "get", "admit"}

func runGrowth(ctx context.Context, args []string, out io.Writer) error {
	o := growthOptions{rows: numbers{20_000, 200_000, 2_000_000}, tenants: numbers{1, 10, 100, 1000}}
	flags := flag.NewFlagSet("bench growth", flag.ContinueOnError)
	flags.Var(&o.rows, "rows", "sizes of one tenant, in students")
	flags.Var(&o.tenants, "tenants", "numbers of tenants on one server")
	// Few clients, so that nobody waits for a processor.
	common(&o.options, flags, options{duration: 4 * time.Second, clients: 4, dir: "bin/growth"})
	if err := parse(flags, args); err != nil {
		return err
	}
	result, err := measureGrowth(ctx, o, out)
	if err != nil {
		return err
	}
	return publish(o.options, result, out)
}

// measureGrowth makes all stages first and then goes through them in turn, so that what else the machine does is shared.
func measureGrowth(ctx context.Context, o growthOptions, out io.Writer) (g *growth, err error) {
	d, err := startDatabase(ctx, o.options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	g = &growth{options: o, samples: map[*stage][]grown{}}
	for _, students := range o.rows {
		s, err := d.rowStage(ctx, students, out)
		if err != nil {
			return nil, err
		}
		g.stages = append(g.stages, s)
	}
	tenants, err := d.tenantStages(ctx, o.tenants, out)
	if err != nil {
		return nil, err
	}
	g.stages = append(g.stages, tenants...)
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	for round := range o.rounds {
		for _, s := range g.stages {
			sample, err := d.grow(ctx, o.options, key, s)
			if err != nil {
				return nil, fmt.Errorf("%d %s: %w", s.size, s.axis, err)
			}
			g.samples[s] = append(g.samples[s], sample)
			fmt.Fprintf(out, "round %d  %9d %-8s list %v, get %v, admit %v\n", round+1, s.size, s.axis,
				sample.work["list"].P50, sample.work["get"].P50, sample.work["admit"].P50)
		}
	}
	return g, nil
}

// grow measures a stage once.
func (d *database) grow(ctx context.Context, o options, key string, s *stage) (sample grown, err error) {
	on := *d
	on.name, on.School = s.database, s.school
	if sample.migrate, err = on.migrate(ctx, o); err != nil {
		return sample, err
	}
	begin := time.Now()
	service, err := startService(ctx, &on, o.rollcall, key)
	if err != nil {
		return sample, err
	}
	sample.start = time.Since(begin)
	defer func() { err = errors.Join(err, service.stop()) }()
	if err := s.signIn(ctx, service.url); err != nil {
		return sample, err
	}
	sample.work = map[string]loadReport{}
	for _, work := range growing {
		clients, err := startClients(ctx, loadOrder{
			Work: work, URL: service.url, Tokens: s.tokens, Clients: o.clients, Warm: o.warm, Duration: o.duration, School: s.school,
		})
		if err != nil {
			return sample, err
		}
		report, err := clients.measure()
		if err := errors.Join(err, clients.stop()); err != nil {
			return sample, err
		}
		if report.Unexpected > 0 {
			return sample, fmt.Errorf("%s: %d of %d answers are not as they should be: %s", work, report.Unexpected, report.Requests, report.Sample)
		}
		sample.work[work] = report
	}
	if sample.backend, err = on.memoryOfBackends(ctx); err != nil {
		return sample, err
	}
	sample.service, err = peakMemory(service.command.Process.Pid)
	return sample, err
}

// signIn signs in to every tenant, once.
func (s *stage) signIn(ctx context.Context, url string) error {
	for _, slug := range s.slugs[len(s.tokens):] {
		token, _, err := signIn(ctx, url, slug)
		if err != nil {
			return err
		}
		s.tokens = append(s.tokens, token)
	}
	return nil
}

func (d *database) migrate(ctx context.Context, o options) (time.Duration, error) {
	command := exec.CommandContext(ctx, o.rollcall, "migrate", "up")
	command.Env = []string{"DATABASE_URL=" + d.url(d.name)}
	begin := time.Now()
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("migrate: %w\n%s", err, output)
	}
	return time.Since(begin), nil
}

// memoryOfBackends is what a connection of the service has in PostgreSQL that no other process shares, on average.
func (d *database) memoryOfBackends(ctx context.Context) (int64, error) {
	var pids []int
	if err := d.admin.QueryRow(ctx, "select coalesce(array_agg(pid), '{}') from pg_catalog.pg_stat_activity where datname = $1 and application_name = 'rollcall'", d.name).Scan(&pids); err != nil {
		return 0, fmt.Errorf("list the connections: %w", err)
	}
	var sum int64
	for _, pid := range pids {
		bytes, err := privateMemory(pid)
		if err != nil {
			return 0, err
		}
		sum += bytes
	}
	return sum / int64(max(len(pids), 1)), nil
}

// studentsOfTenant are those of each of many tenants: what is measured is the number of tenants.
const studentsOfTenant = 240
