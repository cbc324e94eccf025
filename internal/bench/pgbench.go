package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/bench/floor"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
)

// hex is the end of an id that is made of a number (large.Place, large.StudentID).
const hexDigits = 12

func numbered(id uuid.UUID, number string) variable {
	text := id.String()
	return variable{text, "'" + text[:len(text)-hexDigits] + "'||lpad(to_hex((" + number + ")::bigint),12,'0')"}
}

// recipe makes the script of a work: the lines that choose values, a request with values that can be told from all others, and
// what stands for them in the script.
type recipe struct {
	choose    string
	variables []variable
	alone     bool // a statement on a connection that is in the schema, instead of a transaction
	request   func(ctx context.Context, q *gendb.Queries, newID func() uuid.UUID) error
}

// The number of a new row is another one for each client, and the last one plus one, as ids in the order of time are.
const newNumber = "\\set i :i + 1\n\\set new :client_id * 1000000000 + :i\n"

func (d *database) recipes(user uuid.UUID) map[string]recipe {
	size, place := d.School.Size, d.School.Size.Place(0)
	places := []variable{
		numbered(place.Section, ":s"), numbered(place.Class, fmt.Sprintf(":s / %d", large.SectionsPerClass)),
		numbered(place.Institution, fmt.Sprintf(":s / %d", large.SectionsPerInstitution)),
		numbered(place.Year, fmt.Sprintf(":s / %d * %d + %d", large.SectionsPerInstitution, size.Years, size.Years-1)),
	}
	anySection := fmt.Sprintf("\\set s random(0, %d)\n", size.Sections()-1)
	return map[string]recipe{
		"list": {choose: anySection, variables: places, request: func(ctx context.Context, q *gendb.Queries, _ func() uuid.UUID) error {
			_, err := floor.List(ctx, q, place.Section)
			return err
		}},
		"get": {
			choose: fmt.Sprintf("\\set n random(0, %d)\n", size.Students-1), alone: true, variables: []variable{numbered(large.StudentID(0), ":n")},
			request: func(ctx context.Context, q *gendb.Queries, _ func() uuid.UUID) error {
				_, err := q.GetStudent(ctx, large.StudentID(0))
				return err
			},
		},
		"admit":    d.admitRecipe(anySection, places),
		"register": d.registerRecipe(user, places),
	}
}

func (d *database) admitRecipe(choose string, places []variable) recipe {
	const number = "the number of an admission"
	return recipe{
		choose: newNumber + choose, variables: append(places, variable{number, ":new::text"}),
		request: func(ctx context.Context, q *gendb.Queries, newID func() uuid.UUID) error {
			var a api.StudentAdmission
			p := d.School.Size.Place(0)
			if err := json.Unmarshal(fmt.Appendf(nil, admission, number, p.Institution, p.Year, p.Class, p.Section, number), &a); err != nil {
				return fmt.Errorf("make an admission: %w", err)
			}
			_, err := floor.Admit(ctx, q, a, newID)
			return err
		},
	}
}

func (d *database) registerRecipe(user uuid.UUID, places []variable) recipe {
	s := d.School
	first, last := s.Days[0], s.Days[len(s.Days)-1]
	return recipe{
		choose:    newNumber + fmt.Sprintf("\\set r random(0, %d)\n\\set s :r * %d\n\\set d random(0, %d)\n", len(s.Registers)-1, large.SectionsPerClass, daysBetween(first, last)),
		variables: append(places, variable{first, "('" + first + "'::date + :d::integer)::text"}),
		request: func(ctx context.Context, q *gendb.Queries, newID func() uuid.UUID) error {
			r := floor.Register{Section: s.Registers[0].Section, User: user}
			if err := r.Date.UnmarshalText([]byte(first)); err != nil {
				return fmt.Errorf("make a register: %w", err)
			}
			for i, id := range s.Registers[0].Students {
				r.Marks = append(r.Marks, api.MarkInput{StudentId: id, Status: api.AttendanceStatus(statuses[i%len(statuses)])})
			}
			_, err := floor.Mark(ctx, q, r, newID)
			return err
		},
	}
}

// writeScript puts down what the floor sends for one request, as a script for pgbench.
func (d *database) writeScript(ctx context.Context, work string, r recipe, c floor.Config) (string, error) {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	db.RegisterTypes(conn.TypeMap())
	recording := &recorder{DBTX: conn}
	variables := r.variables
	newID := func() uuid.UUID {
		id := uuid.New()
		variables = append(variables, numbered(id, ":new"))
		return id
	}
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return "", fmt.Errorf("begin: %w", err)
	}
	if err := errors.Join(floor.Enter(ctx, recording, c), r.request(ctx, gendb.New(floor.Statements{DBTX: recording}), newID)); err != nil {
		return "", fmt.Errorf("record %s: %w", work, err)
	}
	file := filepath.Join(d.dir, work+".sql")
	return file, os.WriteFile(file, []byte(d.textOf(recording.statements, variables, r)), 0o644) //nolint:gosec // no secret
}

func (d *database) textOf(statements []recorded, variables []variable, r recipe) string {
	var script strings.Builder
	script.WriteString(r.choose)
	if r.alone {
		script.WriteString(statements[len(statements)-1].script(variables))
		return script.String()
	}
	script.WriteString("begin;\n")
	for _, s := range statements {
		script.WriteString(s.script(variables))
	}
	script.WriteString("commit;\n")
	// Forty ids are a row of a table, since pgbench's own variables are numbers.
	ids := literal(d.School.Registers[0].Students, nil)
	return strings.ReplaceAll(script.String(), ids, "(select students from bench.registers where n = :r)")
}

var (
	everySecond   = regexp.MustCompile(`progress: ([0-9.]+) s, ([0-9.]+) tps`)
	countPrinted  = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	failedPrinted = regexp.MustCompile(`number of failed transactions: ([1-9]\d*)`)
)

// runPgbench runs a script. The first seconds do not count: the server plans a statement anew until it has done so five times on a
// connection. The last one is not reported by every version.
func (d *database) runPgbench(ctx context.Context, o options, script string, round int) (loadReport, error) {
	program, err := d.pgbench(ctx)
	if err != nil {
		return loadReport{}, err
	}
	schema, warm := db.SchemaName(tenantID), math.Round(o.warm.Seconds())
	command := exec.CommandContext(ctx, program, "--no-vacuum", "--protocol=prepared", "--file="+script, "--client="+strconv.Itoa(o.clients), "--jobs=2",
		"--progress=1", fmt.Sprintf("--time=%.0f", warm+math.Ceil(o.duration.Seconds())+1), fmt.Sprintf("--define=i=%d", round*100_000_000), d.url(d.name))
	command.Env = append(os.Environ(), "PGOPTIONS=-c search_path="+schema+" -c role="+schema)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.CombinedOutput()
	if err != nil || bytes.Contains(output, []byte("error:")) || failedPrinted.Match(output) {
		return loadReport{}, fmt.Errorf("pgbench: %w\n%s", err, output)
	}
	return readPgbench(output, warm)
}

// readPgbench reads what pgbench prints: the mean rate after the seconds that do not count, and the number of all transactions.
func readPgbench(output []byte, warm float64) (r loadReport, err error) {
	seconds := 0.0
	for _, line := range everySecond.FindAllSubmatch(output, -1) {
		at, _ := strconv.ParseFloat(string(line[1]), 64) // numbers, as matched
		rate, _ := strconv.ParseFloat(string(line[2]), 64)
		if at > warm+0.5 {
			r.Rate += rate
			seconds++
		}
	}
	count := countPrinted.FindSubmatch(output)
	if seconds == 0 || count == nil {
		return r, fmt.Errorf("pgbench says something else than it did:\n%s", output)
	}
	r.Rate /= seconds
	r.Requests, err = strconv.ParseUint(string(count[1]), 10, 64)
	return r, err
}

// pgbench is PostgreSQL's own, of the server that runs.
func (d *database) pgbench(ctx context.Context) (string, error) {
	var dir string
	if err := d.admin.QueryRow(ctx, "select setting from pg_config where name = 'BINDIR'").Scan(&dir); err != nil {
		return "", fmt.Errorf("find pgbench: %w", err)
	}
	program := filepath.Join(dir, "pgbench")
	if _, err := os.Stat(program); err != nil {
		return "", errNoPrograms
	}
	return program, nil
}
