package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/bench/floor"
)

// party is who does the work.
type party string

// The parties, in the order of a round.
const (
	theService party = "service"
	theFloor   party = "floor"
	thePgbench party = "pgbench"
)

var parties = []party{theService, theFloor, thePgbench}

// session is a round's: the database is another one each time, so the sign-in is too.
type session struct {
	options  options
	database *database
	round    int
	key      string
	floor    floor.Config
	scripts  map[string]string
}

// measure is all of a run.
func measure(ctx context.Context, o options, out io.Writer) (r *result, err error) {
	d, err := openDatabase(ctx, o, out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	r = newResult(o)
	for round := range o.rounds {
		if round > 0 {
			if err := d.copyAgain(ctx, o, out); err != nil {
				return nil, err
			}
		}
		s := &session{options: o, database: d, round: round}
		if err := s.begin(ctx); err != nil {
			return nil, err
		}
		if err := s.run(ctx, r, out); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// begin signs in, and makes pgbench's scripts.
func (s *session) begin(ctx context.Context) (err error) {
	d := s.database
	if s.key, err = newKey(); err != nil {
		return err
	}
	service, err := startService(ctx, d, s.options.rollcall, s.key)
	if err != nil {
		return err
	}
	var user uuid.UUID
	token, user, err := signIn(ctx, service.url, slug)
	if err := errors.Join(err, service.stop()); err != nil {
		return err
	}
	s.floor = floor.Config{URL: d.url(d.name), Conns: conns, Token: token, Tenant: tenantID, User: user}
	s.scripts = map[string]string{}
	pgbench := *d
	pgbench.School = d.School.daysOf(thePgbench)
	for work, recipe := range pgbench.recipes(user) {
		if s.scripts[work], err = d.writeScript(ctx, work, recipe, s.floor); err != nil {
			return err
		}
	}
	return nil
}

// daysOf gives each its own days, so that nobody finds the registers that another has taken.
func (s school) daysOf(p party) school {
	third := len(s.Days) / len(parties)
	for i, other := range parties {
		if other == p {
			s.Days = s.Days[i*third : (i+1)*third]
			break
		}
	}
	return s
}

func (s *session) run(ctx context.Context, r *result, out io.Writer) error {
	for _, w := range works {
		for _, p := range parties {
			if !s.options.wants(w.name) {
				continue
			}
			if p == thePgbench && s.scripts[w.name] == "" {
				continue // nothing reaches the database
			}
			got, err := s.sample(ctx, w, p)
			if err != nil {
				return fmt.Errorf("round %d, %s, %s: %w", s.round+1, w.name, p, err)
			}
			r.add(w.name, p, got)
			fmt.Fprintf(out, "round %d  %-8s  %-7s  %8.0f/s\n", s.round+1, w.name, p, got.rate)
		}
	}
	return nil
}

func (s *session) sample(ctx context.Context, w work, p party) (sample, error) {
	if p == thePgbench {
		return s.samplePgbench(ctx, w)
	}
	server, err := s.start(ctx, p)
	if err != nil {
		return sample{}, err
	}
	got, err := s.sampleServer(ctx, w, p, server)
	return got, errors.Join(err, server.stop())
}

func (s *session) start(ctx context.Context, p party) (*web, error) {
	if p == theFloor {
		return startFloor(ctx, s.floor)
	}
	return startService(ctx, s.database, s.options.rollcall, s.key)
}

func (s *session) samplePgbench(ctx context.Context, w work) (sample, error) {
	before, err := s.database.cpu()
	if err != nil {
		return sample{}, err
	}
	report, err := s.database.runPgbench(ctx, s.options, s.scripts[w.name], s.round)
	if err != nil {
		return sample{}, err
	}
	after, err := s.database.cpu()
	return newSample(report, used{database: after - before}), err
}

// cpu is what PostgreSQL has used.
func (d *database) cpu() (time.Duration, error) {
	backend, err := usageOf(int(d.admin.PgConn().PID()))
	if err != nil {
		return 0, err
	}
	return familyCPU(backend.parent)
}

// used is processor time, and memory in bytes.
type used struct {
	server, database, clients time.Duration
	memory                    int64
}

func (s *session) cpuOf(server *web, clients *exec.Cmd) (used, error) {
	one, err := usageOf(server.command.Process.Pid)
	two, errTwo := usageOf(clients.Process.Pid)
	three, errThree := s.database.cpu()
	return used{server: one.own, clients: two.own, database: three}, errors.Join(err, errTwo, errThree)
}

// sampleServer lets the clients work, and reads what that has cost.
func (s *session) sampleServer(ctx context.Context, w work, p party, server *web) (sample, error) {
	clients, err := startClients(ctx, loadOrder{
		Work: w.name, URL: server.url, Tokens: []string{s.floor.Token}, Clients: s.options.clients,
		Warm: s.options.warm, Duration: s.options.duration, School: s.database.School.daysOf(p),
	})
	if err != nil {
		return sample{}, err
	}
	before, err := s.cpuOf(server, clients.command)
	if err := errors.Join(err, forgetPeak(server.command.Process.Pid)); err != nil {
		return sample{}, errors.Join(err, clients.command.Cancel())
	}
	var report loadReport
	if err := s.profile(ctx, w, server, func() (err error) {
		report, err = clients.measure()
		return err
	}); err != nil {
		return sample{}, err
	}
	after, err := s.cpuOf(server, clients.command)
	if err != nil {
		return sample{}, err
	}
	cost := used{server: after.server - before.server, database: after.database - before.database, clients: after.clients - before.clients}
	if cost.memory, err = peakMemory(server.command.Process.Pid); err != nil {
		return sample{}, err
	}
	if err := clients.stop(); err != nil {
		return sample{}, err
	}
	if report.Unexpected > 0 {
		return sample{}, fmt.Errorf("%d of %d answers are not as they should be: %s", report.Unexpected, report.Requests, report.Sample)
	}
	return newSample(report, cost), nil
}

// clients are the process of the load.
type clients struct {
	command *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
}

// startClients returns when they are warm.
func startClients(ctx context.Context, o loadOrder) (*clients, error) {
	command, err := ourselves(ctx, "load")
	if err != nil {
		return nil, err
	}
	in, inErr := command.StdinPipe()
	out, outErr := command.StdoutPipe()
	if err := errors.Join(inErr, outErr, command.Start()); err != nil {
		return nil, fmt.Errorf("start the clients: %w", err)
	}
	c := &clients{command: command, in: in, answers: json.NewDecoder(out)}
	var word string
	if err := errors.Join(json.NewEncoder(in).Encode(o), c.answers.Decode(&word)); err != nil {
		return nil, errors.Join(fmt.Errorf("warm the clients up: %w", err), command.Wait())
	}
	return c, nil
}

// measure lets them begin, and returns when they are done. They stay, so that what they have used can be read.
func (c *clients) measure() (r loadReport, err error) {
	if err := errors.Join(json.NewEncoder(c.in).Encode("begin"), c.answers.Decode(&r)); err != nil {
		return r, fmt.Errorf("measure: %w", err)
	}
	return r, nil
}

func (c *clients) stop() error {
	_ = c.in.Close() // they end with it
	if err := c.command.Wait(); err != nil {
		return fmt.Errorf("the clients: %w", err)
	}
	return nil
}
