package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// poolerVariable, set to pgbouncer, runs all tests of a package behind PgBouncer: the pools that they open, not what looks
// behind their backs.
const poolerVariable = "ROLLCALL_TEST_POOLER"

// sampleConfig is the configuration for operators, which is tested here.
const sampleConfig = "docs/operate/pgbouncer.ini"

// sampleDatabase is where in the sample the server is named.
var sampleDatabase = regexp.MustCompile(`(?m)^rollcall = host=\S+ port=\S+ `)

// pooler is the PgBouncer of this test process, in transaction mode before the server.
type pooler struct {
	address string
	command *exec.Cmd
	dir     string
}

var thePooler = sync.OnceValues(func() (*pooler, error) {
	s, err := theServer()
	if err != nil {
		return nil, err
	}
	p, err := startPooler(s.url)
	startedPooler = p
	return p, err
})

// startedPooler is what stopPooler has to stop; the tests have ended when it is read.
var startedPooler *pooler

// Pooled is the URL that leads to the database by way of PgBouncer.
func (d *Database) Pooled(t testing.TB) string {
	t.Helper()
	p, err := thePooler()
	require.NoError(t, err, "PgBouncer is needed: make test-tools")
	u, err := url.Parse(d.URL)
	require.NoError(t, err)
	u.Host = p.address
	return u.String()
}

// poolURL is what the test's pools connect to.
func (d *Database) poolURL(t testing.TB) string {
	t.Helper()
	if os.Getenv(poolerVariable) != "pgbouncer" {
		return d.URL
	}
	return d.Pooled(t)
}

func startPooler(server *url.URL) (p *pooler, err error) {
	p = &pooler{}
	if p.dir, err = os.MkdirTemp("", "rollcall-pgbouncer-"); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := p.configure(server, port)
	if err != nil {
		return nil, err
	}
	arguments := []string{"-q", config}
	if os.Geteuid() == 0 { // it refuses to run as root
		arguments = append([]string{"-u", "nobody"}, arguments...)
	}
	p.command = exec.Command(pgbouncer(), arguments...) //nolint:noctx // it ends with the tests, see stopPooler
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start PgBouncer: %w", err)
	}
	p.address = fmt.Sprintf("127.0.0.1:%d", port)
	return p, p.awaitListening()
}

// pgbouncer is the program; Debian's is not in an ordinary user's PATH.
func pgbouncer() string {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path
	}
	return "/usr/sbin/pgbouncer"
}

// configure writes the sample, and on top of it what is different in a test: places, and that all databases are served.
func (p *pooler) configure(server *url.URL, port int) (file string, err error) {
	sample, err := findUp(sampleConfig)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(sample)
	if err != nil {
		return "", err
	}
	password, _ := server.User.Password()
	users := filepath.Join(p.dir, "userlist.txt")
	config := sampleDatabase.ReplaceAllString(string(text), fmt.Sprintf("* = host=%s port=%s ", server.Hostname(), server.Port()))
	config += fmt.Sprintf(`
listen_port = %d
auth_file = %s
unix_socket_dir =
logfile = %s
default_pool_size = 12
`, port, users, filepath.Join(p.dir, "pgbouncer.log"))
	file = filepath.Join(p.dir, "pgbouncer.ini")
	return file, errors.Join(
		os.Chmod(p.dir, 0o777), //nolint:gosec // it is another user's, for the time of the tests
		os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", server.User.Username(), password), 0o644), //nolint:gosec // as above
		os.WriteFile(file, []byte(config), 0o644))                                                 //nolint:gosec // as above
}

// findUp finds a file of the project from a package's directory.
func findUp(name string) (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name), nil
		}
	}
	return "", errors.Join(err, fs.ErrNotExist)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binding a local port does not block
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // it listens on TCP
}

func (p *pooler) awaitListening() error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(p.dir, "pgbouncer.log"))
	return fmt.Errorf("PgBouncer does not listen: %s", log)
}

func stopPooler() error {
	if startedPooler == nil {
		return nil
	}
	err := startedPooler.command.Process.Kill()
	_ = startedPooler.command.Wait() // it was killed
	return errors.Join(err, os.RemoveAll(startedPooler.dir))
}
