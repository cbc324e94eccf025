package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/bench/floor"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// conns is how many connections to the database a server has: the service's default.
const conns = 20

// web is a server that is measured.
type web struct {
	command *exec.Cmd
	url     string
	metrics string    // the address of its profiles; the floor has none
	input   io.Closer // whose end ends the floor
}

// startService starts rollcall serve with everything on, and as it is without any setting, but for the rate limits. Periodic tasks run
// elsewhere: they would work on what all three have written.
func startService(ctx context.Context, d *database, program, key string) (*web, error) {
	log, err := os.Create(d.logFile("rollcall"))
	if err != nil {
		return nil, fmt.Errorf("keep the log: %w", err)
	}
	defer func() { _ = log.Close() }()
	command := exec.CommandContext(ctx, program, "serve")
	for _, variable := range os.Environ() { // to measure what they do
		if strings.HasPrefix(variable, "ROLLCALL_") || strings.HasPrefix(variable, "GO") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env,
		"ROLLCALL_ADDR=127.0.0.1:0", "DATABASE_URL="+d.url(d.name), "ROLLCALL_DATABASE_CONNECTIONS="+strconv.Itoa(conns),
		"ROLLCALL_ENCRYPTION_KEY="+key, "ROLLCALL_RATE_LIMIT_SCALE=1000000",
		"ROLLCALL_JOBS=off", "ROLLCALL_DRAIN_DELAY=0s", "ROLLCALL_METRICS_ADDR=127.0.0.1:0",
	)
	command.Stderr = log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s (make build): %w", program, err)
	}
	s := &web{command: command}
	if err = s.awaitURLs(ctx, log.Name()); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// servingAt are the lines of the log that say where it serves: the metrics first.
var servingAt = regexp.MustCompile(`(?s)"msg":"serving metrics","url":"(http://[^"]+)/metrics".*"msg":"serving","url":"(http://[^"]+)"`)

const startTimeout = 30 * time.Second

// awaitURLs waits for the lines of the log.
func (s *web) awaitURLs(ctx context.Context, log string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		text, err := os.ReadFile(log)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if found := servingAt.FindSubmatch(text); found != nil {
			s.metrics, s.url = string(found[1]), string(found[2])
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the service does not start:\n%s", text)
		case <-ticker.C:
		}
	}
}

// stop ends a server.
func (s *web) stop() error {
	if s.input != nil {
		_ = s.input.Close()
	} else {
		_ = s.command.Process.Signal(syscall.SIGTERM) // fails when it has ended
	}
	if err := s.command.Wait(); err != nil {
		return fmt.Errorf("stop %s: %w", s.command, err)
	}
	return nil
}

// signIn gets a token of the service, for a tenant's administrator.
func signIn(ctx context.Context, url, slug string) (token string, user uuid.UUID, err error) {
	body, err := json.Marshal(map[string]string{"tenant": slug, "email": email, "password": password})
	if err != nil {
		return "", uuid.Nil, fmt.Errorf("sign in: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/auth/login", bytes.NewReader(body))
	if err != nil {
		return "", uuid.Nil, fmt.Errorf("sign in: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", uuid.Nil, fmt.Errorf("sign in: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var session struct {
		Token string `json:"token"`
		User  struct {
			ID uuid.UUID `json:"id"`
		} `json:"user"`
	}
	if err := json.NewDecoder(response.Body).Decode(&session); err != nil || session.Token == "" {
		return "", uuid.Nil, fmt.Errorf("sign in: status %d: %w", response.StatusCode, err)
	}
	return session.Token, session.User.ID, nil
}

// startFloor starts the floor, as another process of this program.
func startFloor(ctx context.Context, c floor.Config) (*web, error) {
	command, err := ourselves(ctx, "floor")
	if err != nil {
		return nil, err
	}
	input, inputErr := command.StdinPipe()
	output, outputErr := command.StdoutPipe()
	if err := errors.Join(inputErr, outputErr, command.Start()); err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	s := &web{command: command, input: input}
	if err := json.NewEncoder(input).Encode(c); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if err := json.NewDecoder(output).Decode(&s.url); err != nil {
		return nil, errors.Join(fmt.Errorf("start the floor: %w", err), s.stop())
	}
	return s, nil
}

// runFloor is the process of the floor. It ends with its input.
func runFloor(ctx context.Context, in io.Reader, out io.Writer) error {
	input := json.NewDecoder(in)
	var c floor.Config
	if err := input.Decode(&c); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	handler, closeAll, err := floor.New(ctx, c)
	if err != nil {
		return err
	}
	defer closeAll()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := json.NewEncoder(out).Encode("http://" + listener.Addr().String()); err != nil {
		return fmt.Errorf("say where it serves: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: requestTimeout}
	go func() {
		_ = input.Decode(&c) // until the end
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// ourselves is another process of this program.
func ourselves(ctx context.Context, arguments ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	command := exec.CommandContext(ctx, program, arguments...)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command, nil
}

// newKey is the service's encryption key for this run.
func newKey() (string, error) { return seal.GenerateKey() }
