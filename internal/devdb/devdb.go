// Package devdb starts a PostgreSQL of our own, for `rollcall dev` and for tests, when no DATABASE_URL is given.
//
//	func main() {
//		devdb.RunChild() // first line of main, and of TestMain
//		...
//		server, err := devdb.Start(ctx, devdb.Config{Dir: ".data", Log: log})
//		defer server.Stop(context.Background())
//		pool, err := pgxpool.New(ctx, server.URL())
//
// Three processes take part. PostgreSQL refuses to run as root, and must not outlive us, not even after kill -9. So
// [Start] runs the current executable once more as a supervisor; [RunChild] catches it there, gives root away, starts
// PostgreSQL, and stops it as soon as its standard input ends, which happens when the first process closes the pipe
// or dies:
//
//	rollcall dev ──pipe──> rollcall (supervisor, unprivileged) ──> postgres (listens on 127.0.0.1 only)
//
// The files: devdb.go is the first process, and home.go finds the directory that it hands over; account.go is about
// users. child.go is the supervisor, and cluster.go is what it does: data.go looks after the data, leftover.go after
// what an earlier run has left (with lock.go), and binaries.go finds the PostgreSQL to run.
//
// The home directory, Config.Dir/postgres, belongs to the user who runs PostgreSQL and holds data/ (the cluster),
// password, postgres.log (the server's log of the last run) and two lock files. Deleting it starts afresh.
package devdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// startTimeout leaves time to download PostgreSQL over a slow line; with a local one a start takes seconds.
	startTimeout = 3 * time.Minute
	// giveUpTimeout is how long a failed Start waits for the supervisor to clean up.
	giveUpTimeout = 5 * time.Second
)

// Config says where PostgreSQL lives and how it runs.
type Config struct {
	// Dir holds the directory "postgres" with data and log, kept between runs. It is created if missing. With
	// Ephemeral it may be empty, and is where the temporary directory is made.
	Dir string
	// Port to listen on. 0 takes a free one; so does a busy one, which is logged.
	Port uint32
	// Ephemeral is for tests: a fresh cluster that Stop removes and that trades durability for speed.
	Ephemeral bool
	// Log receives what a person should know, e.g. another port or directory than asked for. nil is silent.
	Log *slog.Logger
	// Parameters are additional PostgreSQL settings, e.g. "log_statement": "all". They win over ours.
	Parameters map[string]string
}

// Server is a running PostgreSQL. It is safe for concurrent use.
type Server struct {
	url        string
	supervisor *exec.Cmd
	lifeline   io.Closer // the supervisor's standard input: closing it stops PostgreSQL
	output     *os.File  // what the supervisor prints: messages, see child.go
	lines      *bufio.Reader
	log        *slog.Logger
	temporary  string // the directory to remove after Stop, if any

	mu      sync.Mutex
	stopped bool
}

// Start starts PostgreSQL and returns when it accepts connections. It gives up when ctx ends, and in any case after
// three minutes. What ctx does later has no effect: PostgreSQL runs until [Server.Stop], or until this process ends.
//
// The program must call [RunChild] first in main, or a test in TestMain. The errors are written for the person who
// starts the program: they say what to do, and carry the end of PostgreSQL's log.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if _, inChild := os.LookupEnv(childEnv); inChild {
		return nil, errors.New("start PostgreSQL: call devdb.RunChild first in main or TestMain")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h, err := prepareHome(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s, err := launch(cfg, h)
	if err == nil {
		err = s.awaitURL(ctx)
	}
	if err != nil {
		if cfg.Ephemeral {
			_ = os.RemoveAll(h.path) // the supervisor does this too, if it came that far
		}
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

// launch starts the supervisor, and does not wait for anything.
func launch(cfg Config, h home) (*Server, error) {
	cmd, err := supervisorCommand(cfg, h)
	if err != nil {
		return nil, err
	}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	// A pipe of our own: it knows deadlines, so that no goroutine has to sit on it.
	output, childEnd, err := os.Pipe()
	if err != nil {
		_ = lifeline.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = childEnd.Close() }()
	cmd.Stdout, cmd.Stderr = childEnd, childEnd
	if err := cmd.Start(); err != nil {
		_, _ = lifeline.Close(), output.Close()
		return nil, fmt.Errorf("start the supervisor %s: %w", cmd.Path, err)
	}
	s := &Server{supervisor: cmd, lifeline: lifeline, output: output, lines: bufio.NewReader(output), log: cfg.Log}
	if cfg.Ephemeral {
		s.temporary = h.path
	}
	return s, nil
}

// awaitURL waits for the supervisor's answer, and cleans up if that is an error or does not come.
func (s *Server) awaitURL(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("PostgreSQL was not ready after %v", startTimeout))
	defer cancel()
	m, err := s.read(ctx)
	if err == nil && m.URL == "" {
		err = errors.New("the supervisor ended without an answer; does main or TestMain call devdb.RunChild first?")
	}
	if err != nil {
		giveUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTimeout)
		defer cancel()
		_ = s.Stop(giveUp) // its error would only repeat ours
		return err
	}
	s.url = m.URL
	return nil
}

// URL is the connection string of the superuser "postgres", with its password:
// postgres://…@127.0.0.1:port/postgres?sslmode=disable.
func (s *Server) URL() string { return s.url }

// Stop disconnects all clients, stops PostgreSQL and waits until it is gone; an ephemeral cluster is removed. If ctx
// ends first, Stop returns its error, PostgreSQL still comes to its end, and Stop may be called again to wait for it.
// Once stopped, further calls do nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	_ = s.lifeline.Close() // fails only when closed before
	_, err := s.read(ctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	s.stopped = true
	return s.reap(err)
}

// reap collects the supervisor, which has closed its output. reported is what it said last.
func (s *Server) reap(reported error) error {
	_ = s.output.Close()
	err := s.supervisor.Wait()
	if s.temporary != "" { // the supervisor does this too, unless it was killed
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	if reported != nil {
		err = reported
	}
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// read logs the supervisor's notes until it sends a URL or an error, or ends: then the message is empty. Output that
// is no message, such as a panic, becomes part of the error.
func (s *Server) read(ctx context.Context) (message, error) {
	defer interruptReads(ctx, s.output)()
	var noise strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		m, isMessage := parseMessage(line)
		switch {
		case m.Note != "":
			s.log.Info(m.Note)
		case m.Error != "":
			return m, errors.New(m.Error)
		case m.URL != "":
			return m, nil
		case !isMessage:
			noise.WriteString(line)
		}
		if err == nil {
			continue
		}
		return message{}, endOfOutput(ctx, err, noise.String())
	}
}

// endOfOutput explains why there is nothing more to read; nil if the supervisor ended in silence.
func endOfOutput(ctx context.Context, err error, noise string) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case noise != "":
		return fmt.Errorf("the supervisor ended unexpectedly: %s", lastLines(noise, 20))
	case errors.Is(err, io.EOF):
		return nil
	default:
		return fmt.Errorf("read from the supervisor: %w", err)
	}
}

// interruptReads makes reads from f fail once ctx ends. The function that it returns undoes this.
func interruptReads(ctx context.Context, f *os.File) (undo func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = f.SetReadDeadline(time.Unix(1, 0)) // long ago
	})
	return func() {
		if !cancel() {
			<-done
		}
		_ = f.SetReadDeadline(time.Time{})
	}
}
