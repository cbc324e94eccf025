package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/devdb"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// asProgram makes this test binary be the program itself.
const asProgram = "ROLLCALL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	devdb.RunChild()
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	dbtest.Main(m)
}

// program is the program with arguments, and nothing in its environment but what a test says.
func program(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), executable, args...)
	cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=atexit_sleep_ms=0"}, env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

// run runs the program to its end.
func run(t *testing.T, stdin string, env []string, args ...string) (output string, exitCode int) {
	t.Helper()
	cmd := program(t, env, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if _, isExit := err.(*exec.ExitError); !isExit { //nolint:errorlint // it is never wrapped
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// served is a running `rollcall dev`.
type served struct {
	t      testing.TB
	cmd    *exec.Cmd
	url    string
	output *bytes.Buffer
	rest   chan struct{}
}

var apiAddress = regexp.MustCompile(`API\s+(http://\S+)/v1`)

func startDev(t *testing.T, dir, addr string, env ...string) *served {
	t.Helper()
	s := &served{t: t, output: &bytes.Buffer{}, rest: make(chan struct{})}
	s.cmd = program(t, append(env, "ROLLCALL_DATA_DIR="+dir, "ROLLCALL_ADDR="+addr), "dev")
	stdout, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.cmd.Stderr = io.Discard
	require.NoError(t, s.cmd.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		s.output.WriteString(lines.Text() + "\n")
		if found := apiAddress.FindStringSubmatch(lines.Text()); found != nil {
			s.url = found[1]
		}
		if strings.Contains(lines.Text(), "Ctrl-C") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stdout); close(s.rest) }()
	require.NotEmpty(t, s.url, "it did not become ready:\n%s", s.output)
	return s
}

// stop presses Ctrl-C and waits.
func (s *served) stop() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(os.Interrupt))
	<-s.rest
	require.NoError(s.t, s.cmd.Wait(), "Ctrl-C ends it with exit code 0")
}

func (s *served) post(path, token, body string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(raw)
}

func (s *served) get(path string) string {
	s.t.Helper()
	return s.fetch(s.url + path)
}

func (s *served) fetch(url string) string {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	require.NoError(s.t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return string(raw)
}

func (s *served) signIn() string {
	s.t.Helper()
	status, body := s.post("/v1/auth/login", "", `{"tenant":"demo","email":"registrar@demo.school","password":"rollcall demo 2026"}`)
	require.Equal(s.t, http.StatusOK, status, body)
	return regexp.MustCompile(`"token":"([^"]+)"`).FindStringSubmatch(body)[1]
}

const newcomer = `{"firstName":"New","lastName":"Comer","admissionNumber":"KEPT-1","aadharNumber":"123412341234",
	"institutionId":"01900000-0000-7000-8000-000000000101","academicYearId":"01900000-0000-7000-8000-000000000201",
	"classId":"01900000-0000-7000-8000-000000000302","sectionId":"01900000-0000-7000-8000-000000000403","admissionDate":"2026-06-01"}`

func TestDev_servesTheDemoStopsOnCtrlCAndKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	s := startDev(t, dir, "127.0.0.1:0")
	assert.Contains(t, s.output.String(), "Made an encryption key")
	assert.Contains(t, s.output.String(), "/docs")
	assert.Contains(t, s.output.String(), "admin@demo.school")
	require.Eventually(t, func() bool {
		return strings.Contains(s.get("/metrics"), `rollcall_task_duration_seconds_count{outcome="success",task="cleanup"} 2`)
	},
		time.Minute, 200*time.Millisecond, "the tasks run for both demo tenants")
	status, body := s.post("/v1/students", s.signIn(), newcomer)
	require.Equal(t, http.StatusCreated, status, body)
	s.stop()

	again := startDev(t, dir, "127.0.0.1:0")
	defer again.stop()
	assert.NotContains(t, again.output.String(), "Made an encryption key", "the key is kept: it seals what is stored")
	status, body = again.post("/v1/students", again.signIn(), newcomer)
	assert.Equal(t, http.StatusConflict, status, body)
	assert.Contains(t, body, "admissionNumber")
	assert.Contains(t, body, "aadharNumber", "found by its digest, so the key is the same")
}

func TestDev_aBusyPortIsSurvived(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = busy.Close() }()
	s := startDev(t, openDir(t), busy.Addr().String())
	defer s.stop()
	assert.Contains(t, s.output.String(), "is in use; taking a free port")
	assert.NotContains(t, s.url, busy.Addr().String())
	s.signIn()
}

func TestDev_metricsHaveAListenerOfTheirOwnAndTasksAreOffIfWanted(t *testing.T) {
	t.Parallel()
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := reserved.Addr().String()
	require.NoError(t, reserved.Close())
	s := startDev(t, openDir(t), "127.0.0.1:0", "ROLLCALL_METRICS_ADDR="+addr, "ROLLCALL_JOBS=off")
	defer s.stop()
	assert.Contains(t, s.get("/metrics"), "/problems/not-found")
	metrics := s.fetch("http://" + addr + "/metrics")
	assert.Contains(t, metrics, `rollcall_connections_limit{pool="requests"} 20`)
	assert.Contains(t, metrics, `operation="unknown"`, "the request above")
	assert.NotContains(t, metrics, `pool="jobs"`)
	assert.NotContains(t, metrics, "rollcall_task")
}

// openDir is a directory that the unprivileged PostgreSQL can enter, which t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rollcall-dev-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func TestServe_saysWhatIsMissing(t *testing.T) {
	t.Parallel()
	out, code := run(t, "", nil, "serve")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "DATABASE_URL is not set")

	database := []string{"DATABASE_URL=" + dbtest.New(t).URL}
	out, code = run(t, "", database, "serve")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "openssl rand -base64 32")

	out, _ = run(t, "", append(database, "ROLLCALL_ENCRYPTION_KEY=short"), "serve")
	assert.Contains(t, out, "ROLLCALL_ENCRYPTION_KEY: not base64 of 32 bytes")

	key, err := seal.GenerateKey()
	require.NoError(t, err)
	out, _ = run(t, "", append(database, "ROLLCALL_ENCRYPTION_KEY="+key, "ROLLCALL_ADDR=256.0.0.1:1"), "serve")
	assert.Contains(t, out, "ROLLCALL_ADDR")
}

func TestTenantAndUser_anOperatorSetsUpASchoolGroup(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	env := []string{"DATABASE_URL=" + d.URL}
	for _, step := range []struct {
		stdin string
		args  string
		code  int
		want  string
	}{
		{"", "tenant list", 0, "no tenants yet"},
		{"", "tenant create north --name North", 0, "Created tenant north (North)"},
		{"", "tenant create north", 1, `belongs to "North"`},
		{"", "tenant create Not_A_Slug", 1, "slug"},
		{"", "tenant list", 0, "north"},
		{"", "tenant list --json", 0, `"slug": "north"`},
		{"short\n", "user create head@north.example --tenant north", 1, "At least 12"},
		{"password1234\n", "user create head@north.example --tenant north", 1, "Too easy to guess"},
		{"a long enough password\n", "user create head --tenant north", 1, "Invalid email"},
		{"a long enough password\n", "user create head@north.example --tenant north --role king", 1, "no role"},
		{"a long enough password\n", "user create head@north.example --tenant south", 1, `no tenant "south"`},
		{"a long enough password\n", "user create Head@North.example --tenant north", 0, "Created head@north.example"},
		{"a long enough password\n", "user create head@north.example --tenant north", 1, "Already in use"},
		{"", "tenant update north", 1, "give --name or --require-mfa"},
		{"", "tenant update south --require-mfa", 1, `no tenant "south"`},
		{"", "tenant update north --require-mfa", 0, "Updated tenant north (North); second factor: required"},
		{"", "tenant list", 0, "required"},
		{"", "tenant update north --require-mfa=false --name Northern", 0, "Updated tenant north (Northern); second factor: by role"},
		{"", "tenant list --json", 0, `"requireMfa": false`},
		{"", "user reset-mfa head@north.example --tenant south", 1, `no tenant "south"`},
		{"", "user reset-mfa nobody@north.example --tenant north", 1, "no user"},
		{"", "user reset-mfa Head@North.example --tenant north", 1, "has no second factor"},
		{"", "jobs run", 0, "cleanup: 1 done, 0 failed, 0 skipped"},
		{"", "jobs run --task cleanup --tenant north", 0, "cleanup: 1 done"},
		{"", "jobs run --task nosuch", 1, "there are cleanup"},
		{"", "tenant suspend north", 0, "Suspended"},
		{"", "jobs run --tenant north", 1, "north is suspended"},
		{"", "jobs run", 0, "cleanup: 0 done"},
		{"", "tenant resume north", 0, "Resumed"},
		{"", "migrate up", 0, "1 tenant"},
		{"", "migrate status", 0, "north"},
	} {
		out, code := run(t, step.stdin, env, strings.Fields(step.args)...)
		assert.Equal(t, step.code, code, "%s: %s", step.args, out)
		assert.Contains(t, out, step.want, step.args)
	}
	schema := dbtest.Value[string](t, d, `select nspname::text from pg_namespace where nspname like 't\_%'`)
	assert.Equal(t, "admin", dbtest.Value[string](t, d, `select role from `+schema+`.user_roles`))
	assert.Equal(t, []string{
		"operator tenant create tenant", "operator user create user", "operator user create userRole", "operator tenant update tenant",
		"operator tenant update tenant", "operator tenant suspend tenant", "operator tenant resume tenant",
	}, dbtest.Values[string](t, d, `select concat_ws(' ', actor_kind, action, resource_type) from `+schema+`.audit_events order by id`), "the trail says who did it")
}

var headInLog = regexp.MustCompile(`head=(\d+:[0-9a-f]{64})`)

func TestAudit_anOperatorVerifiesTheTrails(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	env := []string{"DATABASE_URL=" + d.URL}
	schema := db.SchemaName(d.Tenant(t, "north").ID)
	d.Tenant(t, "south")
	verify := func(want string, code int, args ...string) {
		t.Helper()
		out, got := run(t, "", env, append([]string{"audit", "verify"}, args...)...)
		assert.Equal(t, code, got, out)
		assert.Contains(t, out, want)
	}
	verify("north: 0 good", 0)
	out, code := run(t, "a long enough password\n", env, "user", "create", "head@north.example", "--tenant", "north")
	require.Zero(t, code, out)
	out, code = run(t, "", env, "jobs", "run", "--task", "seal-audit", "--tenant", "north")
	require.Zero(t, code, out)
	require.Regexp(t, headInLog, out)
	head := headInLog.FindStringSubmatch(out)[1]
	verify("north: 3 good, up to "+head, 0)
	verify("south: 0 good", 0)
	verify("north: 3 good", 0, "--tenant", "north", "--head", head)
	verify(`"isIntact": true`, 0, "--json")
	verify("say which with --tenant", 1, "--head", head)
	verify("POSITION:HASH", 1, "--tenant", "north", "--head", "2")
	verify(`no tenant "nowhere"`, 1, "--tenant", "nowhere")

	event := dbtest.Value[string](t, d, `select event_id::text from `+schema+`.audit_seals where position = 2`)
	d.Exec(t, `update `+schema+`.audit_events set action = 'other' where id = $1`, event)
	verify("north: edited, place 2, event "+event, 2)
	verify(`"kind": "edited"`, 2, "--json")
	verify("an audit trail is not what it was", 2, "--tenant", "north")
	verify("south: 0 good", 0, "--tenant", "south")
	d.Exec(t, `delete from `+schema+`.audit_events; delete from `+schema+`.audit_seals`)
	verify("north: 0 good", 0)
	verify("north: truncated, place 1: The chain ends before this place, and is known to have had 3.", 2, "--tenant", "north", "--head", head)
}

func TestMigrate_saysNowAndThenHowFarItIsWhereNobodyWatches(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	progressLines(&out, "are done", 0)(3, 200, "north")
	progressLines(&out, "are done", time.Hour)(4, 200, "south")
	assert.Equal(t, "3 of 200 are done\n", out.String())
}
