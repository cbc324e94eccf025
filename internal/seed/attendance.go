package seed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// attendance takes the registers of a term, one statement a section for the registers and one for the marks.
func (w writer) attendance(ctx context.Context, q *db.Queries) error {
	days := schoolDays(w.marked)
	students := map[int][]int{} // by section, in the order of places
	var sections []place
	i := 0
	for _, at := range w.places() {
		if students[at.section] == nil {
			sections = append(sections, at)
		}
		for range at.students {
			students[at.section] = append(students[at.section], i)
			i++
		}
	}
	for _, at := range sections {
		if err := w.registers(ctx, q, at, days); err != nil {
			return err
		}
		if err := w.marks(ctx, q, at, students[at.section], days); err != nil {
			return err
		}
	}
	return w.correction(ctx, q)
}

func (w writer) registers(ctx context.Context, q *db.Queries, at place, days []openapi_types.Date) error {
	rows := gendb.AddRegistersParams{
		AcademicYearID: numbered(at.year), InstitutionID: numbered(at.institution), UserID: w.markerOf(at.section), Dates: days,
	}
	for _, day := range days {
		rows.SectionIds = append(rows.SectionIds, numbered(at.section))
		rows.TakenAt = append(rows.TakenAt, day.Add(4*time.Hour)) // half past nine where the school is
	}
	if err := q.AddRegisters(ctx, rows); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	return nil
}

func (w writer) marks(ctx context.Context, q *db.Queries, at place, students []int, days []openapi_types.Date) error {
	var rows gendb.AddMarksParams
	for _, i := range students {
		for n, status := range statuses(i, len(days)) {
			rows.StudentIds = append(rows.StudentIds, nth(600, i))
			rows.SectionIds = append(rows.SectionIds, numbered(at.section))
			rows.Dates = append(rows.Dates, days[n])
			rows.Statuses = append(rows.Statuses, status)
		}
	}
	if err := q.AddMarks(ctx, rows); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	return nil
}

// statuses are what the i-th student was on so many days: mostly present, some late more often than others, and ill for a
// few days on end. The same each time, and on the last two days as the examples say.
func statuses(i, days int) []string {
	random := rand.New(rand.NewPCG(uint64(i), 2026)) //nolint:gosec // no secret: the demo is the same everywhere
	lateness := 0.01 + 0.05*random.Float64()*random.Float64()
	all := make([]string, 0, days+5)
	for len(all) < days {
		switch r := random.Float64(); {
		case r < 0.008: // ill
			status := []string{"absent", "excused"}[random.IntN(2)]
			for range 1 + random.IntN(4) {
				all = append(all, status)
			}
		case r < 0.02:
			all = append(all, "absent")
		case r < 0.02+lateness:
			all = append(all, "late")
		default:
			all = append(all, "present")
		}
	}
	all = all[:days]
	for n := max(0, days-2); n < days; n++ {
		if i < len(ashaVidyalaya.students) {
			all[n] = "present"
		}
	}
	if i == leela || i == omkar {
		all[days-1] = "absent"
	}
	return all
}

// The places of two students of the examples: who was absent, and who was marked so and came late.
const leela, omkar = 21, 22

// correction is what the office changed on the last day.
func (w writer) correction(ctx context.Context, q *db.Queries) error {
	day := w.marked.to
	section, institution, year := numbered(406), numbered(102), numbered(203)
	if _, err := q.SaveRegister(ctx, gendb.SaveRegisterParams{
		SectionID: section, Date: day, AcademicYearID: year, InstitutionID: institution, UserID: numbered(502), SeenVersion: 1,
	}); err != nil {
		return fmt.Errorf("correct the register: %w", err)
	}
	if err := q.MarkStudents(ctx, gendb.MarkStudentsParams{
		Date: day, SectionID: section, InstitutionID: institution, UserID: numbered(502), StudentIds: []uuid.UUID{nth(600, omkar)},
		AcademicYearIds: []uuid.UUID{year}, Statuses: []string{"late"}, Notes: []string{"Came at ten"},
	}); err != nil {
		return fmt.Errorf("correct a mark: %w", err)
	}
	return nil
}
