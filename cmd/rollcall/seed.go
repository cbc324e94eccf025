package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// defaultAttendanceDays makes ten marks a student.
const defaultAttendanceDays = 10

func seedCommand(url databaseURL) *cobra.Command {
	var slug, password string
	size := large.Size{}
	c := &cobra.Command{
		Use:   "seed",
		Short: "Fill a tenant with a made-up school group of any size",
		Long: `Fill a tenant with made-up schools: structure, staff, students with a history, guardians, attendance. The same arguments make the same rows.

The tenant is created if there is none of this slug. One that was filled by this command is emptied and filled again; one that has anything else
in it is refused. Nobody can sign in unless --password is given; then admin-1@staff.example, registrar-00001@staff.example,
teacher-00001-01@staff.example and guardian-0000001@parents.example can, and all others like them.`,
		Example: `  rollcall seed --students 200000 --years 2 --tenant large`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := size.Validate(); err != nil {
				return err
			}
			if password != "" {
				hash, err := auth.HashPassword(cmd.Context(), password)
				if err != nil {
					return err
				}
				size.PasswordHash = hash
			}
			return withDatabase(cmd, url, func(d *db.DB, r *tenant.Registry) error {
				return seedTenant(cmd, d, r, slug, size)
			})
		},
	}
	c.Flags().StringVar(&slug, "tenant", "large", "the tenant's slug")
	c.Flags().IntVar(&size.Students, "students", 2000, fmt.Sprintf("how many students, at most %d", large.MostStudents))
	c.Flags().IntVar(&size.Years, "years", 2, fmt.Sprintf("how many academic years, the last of which is current, at most %d", large.MostYears))
	c.Flags().IntVar(&size.AttendanceDays, "attendance-days", defaultAttendanceDays,
		fmt.Sprintf("for how many school days there are marks, at most %d: 10 are two million for 200,000 students", large.MostDays))
	c.Flags().StringVar(&password, "password", "", "the password of staff and guardians")
	return c
}

func seedTenant(cmd *cobra.Command, d *db.DB, r *tenant.Registry, slug string, size large.Size) error {
	begun := time.Now()
	t, err := r.BySlug(cmd.Context(), slug)
	if apperr.KindOf(err) == apperr.NotFound {
		t, err = r.Create(cmd.Context(), tenant.CreateParams{Slug: slug, Name: "Made-up schools"})
	}
	if err != nil {
		return err
	}
	if err := large.Fill(cmd.Context(), d, t.ID, size, seedProgress(cmd.ErrOrStderr())); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Filled tenant %s with %d students in %v.\n", slug, size.Students, time.Since(begun).Round(time.Second))
	return nil
}

// seedProgress counts on a terminal, and is a line a table elsewhere.
func seedProgress(out io.Writer) large.Progress {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return linesPerTable(out)
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(file), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	return func(table string, rows int64) {
		bar.Describe(fmt.Sprintf("%-20.20s", table))
		_ = bar.Set64(rows) // a bar that cannot be drawn is no reason to stop
	}
}

func linesPerTable(out io.Writer) large.Progress {
	last := ""
	return func(table string, _ int64) {
		if table != last {
			fmt.Fprintf(out, "%s\n", table)
		}
		last = table
	}
}
