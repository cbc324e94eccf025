// Command bench measures the whole service against the least that could do the same work (`make bench`): the program itself,
// `rollcall serve`, with all its features; internal/bench/floor, a Go program with none of them; and PostgreSQL's own pgbench, which
// sends the same statements. Figures of one run on one machine can be compared with each other, and with no others.
//
// One run of it is a number of rounds, and a round is five works, each done by the three of them in turn for some seconds, by
// clients who send the next request when they have the answer to the last. Every run of one starts a new process. The
// database is a copy of one that is filled once and kept; nothing else talks to it.
//
// Four kinds of process take part, and all but rollcall and pgbench are this program:
//
//	bench ─┬─> postgres (internal/devdb)
//	       ├─> rollcall serve | bench floor | pgbench
//	       └─> bench load, the clients
//
// The files: database.go fills and copies the database, work.go has the five works, load.go the clients, service.go and pgbench.go
// start what is measured, record.go turns what the floor sends into pgbench's scripts, process.go reads what processes have used,
// profile.go asks the service what it did, run.go is the order of all that, result.go, report.go and plot.go are its figures. The growth files are `bench growth` (`make growth`): what more
// rows and more tenants cost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-erp/rollcall/internal/devdb"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
)

func main() {
	devdb.RunChild() // returns unless this process is the database's supervisor
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // stop is called
	}
}

// dispatch is this program as one of its processes.
func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return runFloor(ctx, os.Stdin, os.Stdout)
		case "load":
			return runLoad(os.Stdin, os.Stdout)
		case "growth":
			return runGrowth(ctx, args[1:], os.Stdout)
		}
	}
	return runBench(ctx, args, os.Stdout)
}

// options are the flags.
type options struct {
	size           large.Size
	rounds         int
	duration, warm time.Duration
	clients        int
	works          []string // only these; none is all
	rollcall       string   // the program
	dir            string   // what is kept
	page, plot     string   // where the figures go; empty: nowhere
	profiles       string   // where the service's profiles go; empty: none are taken
	throwAway      bool     // keep nothing: for tests
}

func runBench(ctx context.Context, args []string, out io.Writer) error {
	o := options{size: large.Size{Years: 2}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.size.Students, "students", 200_000, "how many students the tenant has")
	flags.IntVar(&o.size.AttendanceDays, "attendance-days", 10, "for how many days each has a mark")
	common(&o, flags, options{duration: 8 * time.Second, clients: 32, dir: "bin/bench"})
	flags.Func("works", "do only these, such as get,admit", func(list string) error {
		o.works = strings.Split(list, ",")
		return nil
	})
	flags.StringVar(&o.profiles, "profiles", "", "put profiles of the service into this folder: <work>.cpu and <work>.heap, of the last round (go tool pprof)")
	if err := parse(flags, args); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	result, err := measure(ctx, o, out)
	if err != nil {
		return err
	}
	return publish(o, result, out)
}

// common declares the flags of all runs, with the defaults of one.
func common(o *options, flags *flag.FlagSet, defaults options) {
	flags.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	flags.DurationVar(&o.duration, "duration", defaults.duration, "how long each of them does each work in each round")
	flags.DurationVar(&o.warm, "warm", 2*time.Second, "how long it does so before")
	flags.IntVar(&o.clients, "clients", defaults.clients, "how many connections there are")
	flags.StringVar(&o.rollcall, "rollcall", "bin/rollcall", "the program to measure")
	flags.StringVar(&o.dir, "dir", defaults.dir, "where the database is kept")
	flags.StringVar(&o.page, "write", "", "put the figures into this page, between its markers")
	flags.StringVar(&o.plot, "plot", "", "write an SVG")
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	return nil
}

// validate refuses works that there are not, and to publish a part of the figures.
func (o options) validate() error {
	for _, name := range o.works {
		if _, err := workOf(name); err != nil {
			return err
		}
	}
	if len(o.works) > 0 && (o.page != "" || o.plot != "") {
		return errors.New("only a run of all works can be written")
	}
	return o.size.Validate()
}

// wants reports whether a work is to be done.
func (o options) wants(work string) bool { return len(o.works) == 0 || slices.Contains(o.works, work) }

// figures are what came of a run.
type figures interface {
	markdown() string
	svg() []byte
}

// publish prints the figures, and puts them where they are to be kept.
func publish(o options, r figures, out io.Writer) error {
	table := r.markdown()
	fmt.Fprintln(out, table)
	if o.page != "" {
		if err := replaceBetweenMarkers(o.page, table); err != nil {
			return err
		}
	}
	if o.plot == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Clean(o.plot), r.svg(), 0o644); err != nil { //nolint:gosec // the plot is no secret
		return fmt.Errorf("write the plot: %w", err)
	}
	return nil
}

var errNoPrograms = errors.New("pgbench is not there: install PostgreSQL with its programs (Debian: postgresql)")
