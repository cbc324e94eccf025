package seed

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// lessons is what a teacher teaches in a section.
type lessons struct {
	teacher, section int
	subjects         []int
}

// lessons gives the teacher of the sign-ins one section of each of two grades, and each other teacher one section.
func (s school) lessons() []lessons {
	all := []lessons{{503, 401, []int{1001, 1002}}, {503, 403, []int{1002, 1003}}}
	for i := range s.teachers {
		section := []int{402, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414}[i]
		subject := 1001 + i%5
		if section == 406 {
			subject = 1007 // of the second institution
		}
		all = append(all, lessons{511 + i, section, []int{subject}})
	}
	return all
}

func (w writer) teaching(ctx context.Context, q *db.Queries) error {
	for _, l := range w.lessons() {
		if err := q.AssignTeachers(ctx, numbered(l.section), []uuid.UUID{numbered(l.teacher)}); err != nil {
			return fmt.Errorf("teaching assignment: %w", err)
		}
		rows := gendb.AssignSubjectsParams{SectionID: numbered(l.section)}
		for _, subject := range l.subjects {
			rows.UserIds, rows.SubjectIds = append(rows.UserIds, numbered(l.teacher)), append(rows.SubjectIds, numbered(subject))
		}
		if err := q.AssignSubjects(ctx, rows); err != nil {
			return fmt.Errorf("subject assignment: %w", err)
		}
	}
	return nil
}

// markerOf takes the registers of a section: its teacher, or the one of the sign-ins.
func (s school) markerOf(section int) uuid.UUID {
	for _, l := range s.lessons() {
		if l.section == section {
			return numbered(l.teacher)
		}
	}
	return numbered(503)
}
