package main

import (
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
)

// TestMain is also the processes that a run starts of this program.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == "floor" || os.Args[1] == "load") {
		if err := dispatch(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	dbtest.Main(m)
}

// Every answer that is not as it should be fails the run, so this is a test of all five works by service, floor and pgbench.
func TestMeasure_allFiveWorksAnswerAsTheyShould(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openToOthers(t, dir)
	o := options{
		size:   large.Size{Students: 1200, Years: 2, AttendanceDays: 1},
		rounds: 1, duration: 300 * time.Millisecond, warm: 50 * time.Millisecond, clients: 4,
		rollcall: buildRollcall(t, dir), dir: dir, throwAway: true, page: filepath.Join(dir, "page.md"), plot: filepath.Join(dir, "plot.svg"),
	}
	r, err := measure(t.Context(), o, t.Output())
	require.NoError(t, err)
	for _, w := range works {
		for _, p := range parties {
			if p == thePgbench && w.name == "invalid" {
				continue
			}
			require.True(t, r.has(w.name, p), "%s %s", w.name, p)
			got := r.median(w.name, p)
			assert.Positive(t, got.rate, "%s %s", w.name, p)
			if p != thePgbench {
				assert.Positive(t, got.p99, "%s %s", w.name, p)
				assert.Positive(t, got.memory, "%s %s", w.name, p)
			}
		}
	}
	require.NoError(t, os.WriteFile(o.page, []byte("# Page\n\n"+beginMarker+"\nold\n"+endMarker+"\n\nThe rest.\n"), 0o600))
	require.NoError(t, publish(o, r, t.Output()))
	page, err := os.ReadFile(o.page)
	require.NoError(t, err)
	assert.Contains(t, string(page), "| get one student | ")
	assert.Contains(t, string(page), endMarker+"\n\nThe rest.\n")
	assert.NotContains(t, string(page), "old")
	plot, err := os.ReadFile(o.plot)
	require.NoError(t, err)
	assert.Contains(t, string(plot), "invalid admission")
}

// openToOthers lets the user who runs PostgreSQL into a test's directory.
func openToOthers(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
}

// buildRollcall builds as this test was built, so that most of it is in the cache.
func buildRollcall(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "rollcall")
	args := []string{"build", "-tags", "grpcnotrace", "-o", program}
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			args = append(args, "-race")
		}
	}
	output, err := exec.CommandContext(t.Context(), "go", append(args, "../../cmd/rollcall")...).CombinedOutput()
	require.NoError(t, err, string(output))
	assertTrimmed(t, program)
	return program
}

// assertTrimmed finds out whether the linker could leave out methods that nobody calls. It keeps all of them as soon as one is looked for
// by a name that it does not know, which is what templates do: that is a quarter of the program, and memory.
func assertTrimmed(t *testing.T, program string) {
	t.Helper()
	file, err := elf.Open(program)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	for _, s := range symbols {
		assert.NotEqual(t, "text/template.(*state).evalField", s.Name, "go build -ldflags=-dumpdep tells who uses it")
	}
}

func TestLiteral_isSQLForTheValue(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("019d4657-0000-7008-8000-00000000002a")
	text := "D'Souza"
	day := openapi_types.Date{Time: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)}
	variables := []variable{numbered(id, ":n"), {"the-number", ":new::text"}}
	idSQL := "('019d4657-0000-7008-8000-'||lpad(to_hex((:n)::bigint),12,'0'))::uuid"
	for want, value := range map[string]any{
		"('D''Souza')::text":                          &text,
		"('diya.'||:new::text||'@example.org')::text": "diya.the-number@example.org",
		"(:new::text)::text":                          "the-number",
		idSQL:                                         &id,
		"array[" + idSQL + "]::uuid[]":                []uuid.UUID{id},
		"array[null]::bytea[]":                        [][]byte{nil},
		"array[0, 1]::integer[]":                      []int32{0, 1},
		"('2026-06-01')::date":                        day,
		`('{"a": "'||:new::text||'"}')::jsonb`:        json.RawMessage(`{"a": "the-number"}`),
		"41":                                          int32(41),
		"null":                                        (*string)(nil),
		"('" + "019d4657-0000-7008-8000-00000000002b')::uuid": uuid.MustParse("019d4657-0000-7008-8000-00000000002b"),
	} {
		assert.Equal(t, want, literal(value, variables))
	}
}

func TestScript_isTheStatementWithoutItsComments(t *testing.T) {
	t.Parallel()
	r := recorded{"-- name: Get :one\n-- What it is for.\nselect * from students where id = $1 and $2 is null\n", []any{"x", nil}}
	assert.Equal(t, "select * from students where id = ('x')::text and null is null;\n", r.script(nil))
}

func TestReadPgbench_leavesOutTheFirstSeconds(t *testing.T) {
	t.Parallel()
	output := `progress: 1.0 s, 100.0 tps, lat 1.0 ms stddev 0.1, 0 failed
progress: 2.0 s, 300.0 tps, lat 1.0 ms stddev 0.1, 0 failed
progress: 3.0 s, 500.0 tps, lat 1.0 ms stddev 0.1, 0 failed
number of transactions actually processed: 900
`
	r, err := readPgbench([]byte(output), 1)
	require.NoError(t, err)
	assert.InDelta(t, 400, r.Rate, 0.01)
	assert.Equal(t, uint64(900), r.Requests)
	_, err = readPgbench([]byte("connection refused"), 1)
	assert.Error(t, err)
}

func TestResult_hasMediansOverTheRounds(t *testing.T) {
	t.Parallel()
	r := newResult(options{})
	for _, rate := range []float64{300, 100, 200} {
		r.add("list", theService, sample{rate: rate, p99: time.Duration(rate), memory: int64(rate)})
		r.add("list", theFloor, sample{rate: 2 * rate})
	}
	assert.Equal(t, sample{rate: 200, p99: 200, memory: 300}, r.median("list", theService))
	assert.InDelta(t, 0.5, r.ratio("list", theFloor), 0.001)
	assert.Zero(t, r.ratio("list", thePgbench))
	assert.Equal(t, "1,234,567 / 999 / -", thousands(1234567)+" / "+thousands(999)+" / "+times(0))
}

func TestReplaceBetweenMarkers_refusesAPageWithoutThem(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte(endMarker+beginMarker), 0o600))
	assert.ErrorContains(t, replaceBetweenMarkers(page, "text"), "lacks the lines")
}

func TestSchoolDays_areOverAndOfTheFirstTerm(t *testing.T) {
	t.Parallel()
	days := schoolDays(time.Date(2026, time.May, 6, 9, 0, 0, 0, time.UTC))
	assert.Equal(t, []string{"2026-05-01", "2026-05-04", "2026-05-05"}, days, "without the week-end, until yesterday")
	days = schoolDays(time.Date(2030, time.May, 6, 9, 0, 0, 0, time.UTC))
	assert.Equal(t, "2026-09-30", days[len(days)-1])
	assert.Empty(t, schoolDays(time.Date(2026, time.April, 6, 9, 0, 0, 0, time.UTC)))
	assert.Equal(t, 4, daysBetween("2026-05-01", "2026-05-05"))
}

func TestGrowth_isMeasuredOverRowsAndOverTenants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openToOthers(t, dir)
	o := growthOptions{
		options: options{rounds: 1, duration: 100 * time.Millisecond, warm: 20 * time.Millisecond, clients: 4, rollcall: buildRollcall(t, dir), dir: dir, throwAway: true},
		rows:    numbers{1200}, tenants: numbers{1, 2},
	}
	g, err := measureGrowth(t.Context(), o, t.Output())
	require.NoError(t, err)
	require.Len(t, g.of(theRows), 1)
	require.Len(t, g.of(theTenants), 2)
	for _, s := range g.stages {
		for _, work := range growing {
			assert.Positive(t, g.p50(s, work), "%s %d %s", s.axis, s.size, work)
		}
		assert.Positive(t, g.samples[s][0].backend)
		assert.Positive(t, g.samples[s][0].start)
	}
	assert.InDelta(t, 1, g.times(g.of(theTenants)[0], "get"), 0.001, "the first is what the others are compared with")
	assert.Contains(t, g.markdown(), "| 1,200 | ")
	assert.Contains(t, string(g.svg()), "<polyline")
}

func TestNumbers_areAListFromOneOn(t *testing.T) {
	t.Parallel()
	var n numbers
	require.NoError(t, n.Set("1,10,100"))
	assert.Equal(t, numbers{1, 10, 100}, n)
	assert.Equal(t, "1 10 100", n.String())
	require.Error(t, n.Set("0"))
	assert.Error(t, n.Set("1,,2"))
}
