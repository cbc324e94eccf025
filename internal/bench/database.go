package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/devdb"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/schema"
)

// The tenant, and who signs in to it: an administrator, who sees all its rows.
const (
	slug     = "bench"
	email    = "admin-1@staff.example"
	password = "rollcall bench 2026"
)

var tenantID = uuid.MustParse("019d0000-0000-7000-8000-00000000be7c")

// database is the PostgreSQL that is measured on.
type database struct {
	server *devdb.Server
	admin  *pgx.Conn
	name   string // of the database with the rows
	dir    string
	School school
}

// parameters: the rest of the machine should disturb as little as it can, and no disk be waited for. All three are measured
// so, and a slow disk would only make them more alike. Nor does a statement start workers, as the service has it in any case. What is
// lost when the machine fails can be made again.
var parameters = map[string]string{
	"synchronous_commit": "off", "fsync": "off", "autovacuum": "off", "shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "1h",
	"max_connections": "200", "max_parallel_workers_per_gather": "0",
}

// startDatabase starts PostgreSQL.
func startDatabase(ctx context.Context, o options) (d *database, err error) {
	if err := os.MkdirAll(o.dir, 0o755); err != nil { //nolint:gosec // an unprivileged PostgreSQL must reach its folder inside
		return nil, fmt.Errorf("make %s: %w", o.dir, err)
	}
	d = &database{dir: o.dir, name: "bench_run"}
	d.server, err = devdb.Start(ctx, devdb.Config{Dir: o.dir, Ephemeral: o.throwAway, Parameters: parameters})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close(ctx))
		}
	}()
	if d.admin, err = pgx.Connect(ctx, d.server.URL()); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return d, nil
}

// openDatabase starts PostgreSQL, with a database that is a copy of one that is filled once.
func openDatabase(ctx context.Context, o options, out io.Writer) (d *database, err error) {
	if d, err = startDatabase(ctx, o); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close(ctx))
		}
	}()
	seeded, err := d.seeded(ctx, o.size, out)
	if err != nil {
		return nil, err
	}
	if err := d.copyFrom(ctx, seeded); err != nil {
		return nil, err
	}
	d.School, err = readSchool(ctx, d.url(d.name), o.size)
	return d, err
}

const stopTimeout = time.Minute

func (d *database) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if d.admin != nil {
		_ = d.admin.Close(ctx) // PostgreSQL stops next
	}
	return d.server.Stop(ctx)
}

func (d *database) url(name string) string {
	u, err := url.Parse(d.server.URL())
	if err != nil {
		panic(err) // devdb has made it
	}
	u.Path = "/" + name
	return u.String()
}

// seeded is the database that is filled; it is made if there is none of this size and schema.
func (d *database) seeded(ctx context.Context, size large.Size, out io.Writer) (string, error) {
	version, err := schemaVersion()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("bench_%d_%d_%s", size.Students, size.AttendanceDays, version)
	var found bool
	if err := d.admin.QueryRow(ctx, "select exists (select from pg_catalog.pg_database where datname = $1)", name).Scan(&found); err != nil {
		return "", fmt.Errorf("look for the database: %w", err)
	}
	if found {
		return name, nil
	}
	fmt.Fprintf(out, "Filling a tenant with %d students; this is done once.\n", size.Students)
	const unfinished = "bench_unfinished"
	if err := d.replace(ctx, unfinished, "template0"); err != nil {
		return "", err
	}
	if err := fill(ctx, d.url(unfinished), size); err != nil {
		return "", err
	}
	return name, d.exec(ctx, "alter database "+unfinished+" rename to "+name)
}

// copyAgain takes back what was written.
func (d *database) copyAgain(ctx context.Context, o options, out io.Writer) error {
	seeded, err := d.seeded(ctx, o.size, out)
	if err != nil {
		return err
	}
	return d.copyFrom(ctx, seeded)
}

func (d *database) copyFrom(ctx context.Context, seeded string) error {
	return d.replace(ctx, d.name, seeded)
}

func (d *database) replace(ctx context.Context, name, template string) error {
	if err := d.exec(ctx, "drop database if exists "+name+" with (force)"); err != nil {
		return err
	}
	if err := d.exec(ctx, "create database "+name+" template "+template+" strategy file_copy"); err != nil {
		return err
	}
	return d.exec(ctx, "checkpoint")
}

func (d *database) exec(ctx context.Context, statement string) error {
	if _, err := d.admin.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// schemaVersion is another one for every change of the schema.
func schemaVersion() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(schema.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(schema.Files, path)
		fmt.Fprintf(sum, "%s\n%s\n", path, content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the schema: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:4]), nil
}

func fill(ctx context.Context, url string, size large.Size) error {
	if err := tenant.NewMigrator(url).Up(ctx, nil); err != nil {
		return err
	}
	d, err := db.Open(ctx, db.Config{URL: url, MaxConns: 2})
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := tenant.NewRegistry(d, url).Create(ctx, tenant.CreateParams{ID: tenantID, Slug: slug, Name: "Made-up schools"}); err != nil {
		return err
	}
	if size.PasswordHash, err = auth.HashPassword(ctx, password); err != nil {
		return err
	}
	if err := large.Fill(ctx, d, tenantID, size, nil); err != nil {
		return err
	}
	if err := d.Load(ctx, tenantID, db.Options{Timeout: loadTimeout}, prepare); err != nil {
		return err
	}
	return d.Vacuum(ctx, tenantID)
}

const loadTimeout = 10 * time.Minute

// letIn lets the administrator in without a second factor, and makes room for admissions.
func letIn(ctx context.Context, raw db.Raw) error {
	return execAll(ctx, raw,
		"delete from second_factors f using users u where u.id = f.user_id and u.email = '"+email+"'",
		"alter table sections drop constraint sections_capacity_check",
		"update sections set capacity = 1000000")
}

func execAll(ctx context.Context, raw db.Raw, statements ...string) error {
	for _, statement := range statements {
		if _, err := raw.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// prepare also makes sections with forty students: the first one of every class gets twenty of the last one.
func prepare(ctx context.Context, raw db.Raw) error {
	if err := letIn(ctx, raw); err != nil {
		return err
	}
	return execAll(ctx, raw,
		`update enrollments e set section_id = a.id, roll_number = null from sections a, sections c
			where e.section_id = c.id and c.name = 'C' and a.class_id = c.class_id and a.name = 'A' and e.status = 'active' and e.roll_number <= 20`,
		`create schema bench`,
		`create table bench.registers as
			select row_number() over (order by section_id) - 1 as n, section_id, students[1:40] as students from (
				select section_id, array_agg(student_id order by student_id) as students from enrollments e
				join academic_years y on y.id = e.academic_year_id
				where e.status = 'active' and y.is_current and e.started_on = y.start_date group by section_id having count(*) >= 40
			) s`,
		"alter table bench.registers add primary key (n)",
		"grant usage on schema bench to public",
		"grant select on bench.registers to public")
}

// school is what the clients know of the rows.
type school struct {
	Size      large.Size        `json:"size"`
	Registers []sectionRegister `json:"registers"` // of the first section of each class, which has forty students on every day
	Days      []string          `json:"days"`      // on which no register is taken yet
}

type sectionRegister struct {
	Section  uuid.UUID   `json:"section"`
	Students []uuid.UUID `json:"students"`
}

func readSchool(ctx context.Context, url string, size large.Size) (school, error) {
	s := school{Size: size, Days: schoolDays(time.Now())}
	if len(s.Days) == 0 {
		return s, errors.New("the clock of this machine is before the made-up school year, which begins in April 2026")
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return s, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "select section_id, students from bench.registers order by n")
	if err != nil {
		return s, fmt.Errorf("read the sections: %w", err)
	}
	if s.Registers, err = pgx.CollectRows(rows, pgx.RowToStructByPos[sectionRegister]); err != nil {
		return s, fmt.Errorf("read the sections: %w", err)
	}
	for n, r := range s.Registers {
		if r.Section != size.Place(n*large.SectionsPerClass).Section {
			return s, errors.New("not every class has a section of forty students: take a multiple of 1,200")
		}
	}
	return s, nil
}

// schoolDays are the school days of the first term after those that have registers, as far as they are over.
func schoolDays(now time.Time) []string {
	var days []string
	yesterday := now.AddDate(0, 0, -1)
	for day := time.Date(2026, time.May, 1, 0, 0, 0, 0, time.UTC); day.Month() < time.October && day.Before(yesterday); day = day.AddDate(0, 0, 1) {
		if day.Weekday() != time.Saturday && day.Weekday() != time.Sunday {
			days = append(days, day.Format(time.DateOnly))
		}
	}
	return days
}

// daysBetween two days, as schoolDays writes them.
func daysBetween(first, last string) int {
	from, _ := time.Parse(time.DateOnly, first) // as written there
	to, _ := time.Parse(time.DateOnly, last)
	return int(to.Sub(from).Hours() / 24)
}

func (d *database) logFile(name string) string { return filepath.Join(d.dir, name+".log") }
