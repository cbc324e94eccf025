package large

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// madeStudent is a student of a made-up school, and where the student sits in the current year.
type madeStudent struct {
	id, user         uuid.UUID
	school           int
	grade            int // from 0
	section          int // of the grade, from 0
	roll             int
	first, last      string
	email            *string
	gender           string
	born, admitted   time.Time
	created          time.Time
	moved, withdrawn bool // in the current year, on the day `left`
	left             time.Time
}

func (g generator) student(i int) madeStudent {
	c := chance(studentKind, i)
	place := i % studentsPerSchool % studentsPerGrade
	s := madeStudent{
		id: madeID(studentKind, i), user: madeID(studentUserKind, i), school: i / studentsPerSchool,
		grade: i % studentsPerSchool / studentsPerGrade, section: place / studentsPerSection, roll: place%studentsPerSection + 1,
		first: pick(c, girls), last: familyName(i), gender: "female",
	}
	if c.IntN(2) == 0 {
		s.first, s.gender = pick(c, boys), "male"
	}
	if c.IntN(3) == 0 {
		s.email = new(fmt.Sprintf("%s.%07d@students.example", strings.ToLower(s.first), i+1))
	}
	s.born = epoch.AddDate(-6-s.grade, 0, -c.IntN(365))
	s.admitted = g.yearStart(max(g.Years-1-s.grade, 0))
	s.created = s.admitted.Add(time.Duration(i) * time.Second)
	fate := c.IntN(100)
	s.withdrawn, s.moved = fate < 3, fate >= 3 && fate < 6
	s.left = epoch.AddDate(0, 0, 30+c.IntN(150))
	return s
}

var studentColumns = []string{
	"id", "user_id", "institution_id", "admission_number", "first_name", "last_name", "date_of_birth", "gender", "phone", "admission_date", "address",
	"blood_group", "custom_fields", "status", "created_at", "updated_at",
}

var bloodGroups = []string{"O+", "B+", "A+", "AB+", "O-", "B-", "A-", "AB-"}

// students have no national ids: they are sealed with the installation's key, and no two seals are the same.
func (g generator) students(yield func([]any) bool) {
	for i := range g.Students {
		s := g.student(i)
		c := chance(studentUserKind, i)
		status := "active"
		if s.withdrawn {
			status = "withdrawn"
		}
		if !yield([]any{
			s.id, s.user, madeID(institutionKind, s.school), fmt.Sprintf("%d-%04d", s.admitted.Year(), i%studentsPerSchool+1), s.first, s.last, s.born, s.gender,
			phone(i), s.admitted, fmt.Sprintf("%d %s, %s", 1+c.IntN(300), pick(c, streets), pick(c, towns)), pickEarly(c, bloodGroups), customFields(i), status,
			s.created, s.created,
		}) {
			return
		}
	}
}

var enrollmentColumns = []string{
	"id", "student_id", "institution_id", "academic_year_id", "class_id", "section_id", "roll_number", "status", "started_on", "ended_on", "reason", "created_at",
}

// enrollment is one place in a student's history.
type enrollment struct {
	year, grade, section int
	roll                 *int
	status               string
	from                 time.Time
	until                *time.Time
	reason               *string
}

// history is a student's places, the oldest first: a grade a year, at the end of which the place is closed, and in the
// current year the open one, unless the student has left. Who moves goes to the next section.
func (g generator) history(s madeStudent) []enrollment {
	var all []enrollment
	current := g.Years - 1
	for y := max(current-s.grade, 0); y < current; y++ {
		all = append(all, enrollment{
			year: y, grade: s.grade - (current - y), section: s.section, roll: &s.roll, status: "transferred",
			from: g.yearStart(y), until: new(g.yearEnd(y)), reason: new("Promoted to the next grade"),
		})
	}
	now := enrollment{year: current, grade: s.grade, section: s.section, roll: &s.roll, status: "active", from: g.yearStart(current)}
	switch {
	case s.withdrawn:
		now.status, now.until, now.reason = "withdrawn", &s.left, new("Moved away")
	case s.moved:
		now.status, now.until, now.reason = "transferred", &s.left, new("Changed section")
		next := enrollment{year: current, grade: s.grade, section: (s.section + 1) % sectionsPerGrade, status: "active", from: s.left}
		return append(all, now, next)
	}
	return append(all, now)
}

func (g generator) enrollments(yield func([]any) bool) {
	for i := range g.Students {
		s := g.student(i)
		for n, e := range g.history(s) {
			class := s.school*grades + e.grade
			if !yield([]any{
				madeID(enrollmentKind, i*(MostYears+1)+n), s.id, madeID(institutionKind, s.school), madeID(yearKind, s.school*g.Years+e.year),
				madeID(classKind, class), madeID(sectionKind, class*sectionsPerGrade+e.section), e.roll, e.status, e.from, e.until, e.reason, e.from,
			}) {
				return
			}
		}
	}
}
