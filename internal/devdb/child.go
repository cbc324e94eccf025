package devdb

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// childEnv marks the supervisor process, and carries its childConfig as JSON.
const childEnv = "ROLLCALL_DEVDB_CHILD"

// childConfig is what the first process tells the supervisor.
type childConfig struct {
	Home       string            `json:"home"`
	Account    account           `json:"account"`
	Port       uint32            `json:"port"`
	Ephemeral  bool              `json:"ephemeral"`
	Parameters map[string]string `json:"parameters"`
}

// message is what the supervisor tells the first process, as one line of JSON with one field. Notes may come first;
// a URL or an error ends the start, and an error may follow while PostgreSQL is stopped.
type message struct {
	Note  string `json:"note,omitempty"`
	URL   string `json:"url,omitempty"`
	Error string `json:"error,omitempty"`
}

func parseMessage(line string) (m message, ok bool) {
	err := json.Unmarshal([]byte(line), &m)
	return m, err == nil || strings.TrimSpace(line) == ""
}

// supervisorCommand prepares this executable to run as the supervisor.
func supervisorCommand(cfg Config, h home) (*exec.Cmd, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this executable: %w", err)
	}
	child, err := json.Marshal(childConfig{
		Home: h.path, Account: h.owner, Port: cfg.Port, Ephemeral: cfg.Ephemeral, Parameters: cfg.Parameters,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the supervisor's configuration: %w", err)
	}
	cmd := exec.Command(executable) //nolint:noctx // the end of its standard input stops it, and in order
	cmd.Dir = "/"                   // the current directory may be closed to the unprivileged user
	cmd.Env = append(slices.DeleteFunc(os.Environ(), isForeign), childEnv+"="+string(child))
	// A session of its own: Ctrl-C and the end of the terminal reach only the first process, which stops its HTTP
	// server first and the database last.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// isForeign tells whether the supervisor must not inherit a variable. Only a few can be meant for it: PG* and LC_*
// would change how PostgreSQL behaves, and the others may hold our secrets.
func isForeign(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return !slices.Contains([]string{
		"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", // to download PostgreSQL
		"GORACE", "GOCOVERDIR", "GOTRACEBACK",
	}, strings.ToUpper(name))
}

// RunChild turns this process into the supervisor of a PostgreSQL if [Start] made it for that, and then never
// returns. In an ordinary process it returns at once. Call it first in main and in TestMain.
func RunChild() {
	encoded, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	_ = os.Unsetenv(childEnv) // not for PostgreSQL
	if err := supervise(encoded); err != nil {
		send(message{Error: err.Error()})
		os.Exit(1)
	}
	os.Exit(0)
}

// supervise runs PostgreSQL for as long as the first process lives and wants it.
func supervise(encoded string) error {
	var cfg childConfig
	if err := json.Unmarshal([]byte(encoded), &cfg); err != nil {
		return fmt.Errorf("read %s: %w", childEnv, err)
	}
	if err := cfg.Account.become(); err != nil {
		return err
	}
	stop := stopRequest()
	if cfg.Ephemeral {
		defer func() { _ = os.RemoveAll(cfg.Home) }()
	}
	c := newCluster(cfg)
	url, err := c.start()
	if err != nil {
		return err
	}
	send(message{URL: url})
	<-stop
	return c.stop()
}

// stopRequest returns a channel that closes when the first process closes its end of the pipe or dies, and on SIGTERM.
func stopRequest() <-chan struct{} {
	// Caught, not ignored: an ignored signal would stay ignored in PostgreSQL. SIGPIPE is what a message to a dead
	// parent brings, and must not keep us from stopping PostgreSQL.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return ctx.Done()
}

// send prints a message. A failure means that nobody listens any more, and then standard input has ended too.
func send(m message) {
	_ = json.NewEncoder(os.Stdout).Encode(m) //nolint:errchkjson // see above
}
