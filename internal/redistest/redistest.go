// Package redistest gives a test a real Redis of its own, which it can stop, start again, and hold up.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is one test's Redis. Its methods are for the test's own goroutine.
type Server struct {
	URL string

	port    int
	command *exec.Cmd
	exited  chan struct{}
}

const startTimeout = 20 * time.Second

// New starts redis-server on a free port, and stops it after the test.
func New(t testing.TB) *Server {
	t.Helper()
	port := freePort(t)
	s := &Server{port: port, URL: fmt.Sprintf("redis://127.0.0.1:%d/0", port)}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

// Start starts it, empty, after Stop.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.exited = make(chan struct{})
	s.command = exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server",
		"--bind", "127.0.0.1", "--port", fmt.Sprint(s.port), "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	require.NoError(t, s.command.Start(), "redis-server is needed: make test-tools")
	command, exited := s.command, s.exited
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	require.Eventually(t, func() bool { return s.answers(t.Context()) }, startTimeout, 5*time.Millisecond)
}

func (s *Server) answers(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	reply := make([]byte, len("+PONG"))
	_, _ = conn.Write([]byte("PING\r\n"))
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	_, err = conn.Read(reply)
	return err == nil && string(reply) == "+PONG"
}

// Stop ends it at once, and with it all connections and all it holds.
func (s *Server) Stop() {
	_ = s.command.Process.Kill() // fails when it has ended
	<-s.exited
}

// Pause lets connections come and go unanswered, until Continue.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(syscall.SIGSTOP))
}

// Continue ends a Pause.
func (s *Server) Continue(t testing.TB) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(syscall.SIGCONT))
}
