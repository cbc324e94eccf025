package large

import (
	"time"

	"github.com/google/uuid"
)

var madeSubjects = []struct{ name, code string }{{"English", "ENG"}, {"Mathematics", "MATH"}, {"Science", "SCI"}, {"Social Studies", "SOC"}, {"Hindi", "HIN"}, {"Art", "ART"}}

// correctedEvery is how many marks there are for one that was changed later.
const correctedEvery = 100

// attendanceTables come after the students.
func (g generator) attendanceTables() []table {
	return []table{
		{"subjects", []string{"id", "institution_id", "name", "code", "created_at", "updated_at"}, g.subjects},
		{"terms", []string{"academic_year_id", "name", "start_date", "end_date"}, g.terms},
		{"holidays", []string{"academic_year_id", "name", "start_date", "end_date"}, g.holidays},
		{"subject_assignments", []string{"user_id", "section_id", "subject_id"}, g.subjectAssignments},
		{"attendance_registers", []string{
			"section_id", "date", "academic_year_id", "institution_id", "taken_by", "taken_at", "updated_by", "updated_at",
		}, g.registers},
		{"attendance_marks", []string{
			"student_id", "date", "section_id", "academic_year_id", "institution_id", "status", "version", "marked_by", "marked_at",
		}, g.marks},
		{"attendance_corrections", []string{
			"student_id", "date", "version", "section_id", "institution_id", "status", "marked_by", "marked_at", "new_status", "corrected_by", "corrected_at",
		}, g.corrections},
	}
}

func (g generator) subjects(yield func([]any) bool) {
	for k := range g.schools {
		for n, l := range madeSubjects {
			if !yield([]any{madeID(subjectKind, k*len(madeSubjects)+n), madeID(institutionKind, k), l.name, l.code, epoch, epoch}) {
				return
			}
		}
	}
}

// eachYear calls yield with the id and first day of every academic year.
func (g generator) eachYear(yield func(id uuid.UUID, start time.Time) bool) {
	for n := range g.schools * g.Years {
		if !yield(madeID(yearKind, n), g.yearStart(n%g.Years)) {
			return
		}
	}
}

func (g generator) terms(yield func([]any) bool) {
	g.eachYear(func(id uuid.UUID, start time.Time) bool {
		half := start.AddDate(0, 6, 0)
		return yield([]any{id, "First term", start, half.AddDate(0, 0, -1)}) && yield([]any{id, "Second term", half, start.AddDate(1, 0, -1)})
	})
}

func (g generator) holidays(yield func([]any) bool) {
	g.eachYear(func(id uuid.UUID, start time.Time) bool {
		day := time.Date(start.Year(), time.August, 15, 0, 0, 0, 0, time.UTC)
		return yield([]any{id, "Independence Day", day, day}) &&
			yield([]any{id, "Winter holidays", time.Date(start.Year(), time.December, 24, 0, 0, 0, 0, time.UTC), time.Date(start.Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)})
	})
}

// subjectAssignments: every teacher teaches one subject in the own section.
func (g generator) subjectAssignments(yield func([]any) bool) {
	for k := range g.schools {
		for s := range sectionsPerSchool {
			if !yield([]any{madeID(staffKind, teacherOf(k, s)), madeID(sectionKind, k*sectionsPerSchool+s), madeID(subjectKind, k*len(madeSubjects)+s%len(madeSubjects))}) {
				return
			}
		}
	}
}

// days are the school days with attendance: the first working days of the current year.
func (g generator) days() []time.Time {
	var all []time.Time
	for day := epoch; len(all) < g.AttendanceDays; day = day.AddDate(0, 0, 1) {
		if day.Weekday() != time.Saturday && day.Weekday() != time.Sunday {
			all = append(all, day)
		}
	}
	return all
}

// registers are those of all sections of the grades that have students.
func (g generator) registers(yield func([]any) bool) {
	for _, day := range g.days() {
		for n := range g.schools * sectionsPerSchool {
			k, s := n/sectionsPerSchool, n%sectionsPerSchool
			if k*studentsPerSchool+s/sectionsPerGrade*studentsPerGrade >= g.Students {
				break // the last school is not full
			}
			taken := day.Add(9 * time.Hour)
			teacher := madeID(staffKind, teacherOf(k, s))
			if !yield([]any{madeID(sectionKind, n), day, madeID(yearKind, k*g.Years+g.Years-1), madeID(institutionKind, k), teacher, taken, teacher, taken}) {
				return
			}
		}
	}
}

// mark is one student's attendance on one day.
type mark struct {
	student, section, year, institution, teacher uuid.UUID
	day                                          time.Time
	status                                       string
	corrected                                    bool
}

func (g generator) eachMark(yield func(mark) bool) {
	for d, day := range g.days() {
		for i := range g.Students {
			s := g.student(i)
			section := s.section
			switch {
			case s.withdrawn && day.After(s.left):
				continue
			case s.moved && !day.Before(s.left):
				section = (section + 1) % sectionsPerGrade
			}
			inSchool := s.grade*sectionsPerGrade + section
			n := d*g.Students + i
			if !yield(mark{
				student: s.id, section: madeID(sectionKind, s.school*sectionsPerSchool+inSchool), year: madeID(yearKind, s.school*g.Years+g.Years-1),
				institution: madeID(institutionKind, s.school), teacher: madeID(staffKind, teacherOf(s.school, inSchool)), day: day,
				status: statusOf(n), corrected: n%correctedEvery == 0,
			}) {
				return
			}
		}
	}
}

// statusOf is present for 92 of 100.
func statusOf(n int) string {
	switch x := chance(sectionKind, n).IntN(100); {
	case x < 4:
		return "absent"
	case x < 6:
		return "late"
	case x < 8:
		return "excused"
	default:
		return "present"
	}
}

func (g generator) marks(yield func([]any) bool) {
	g.eachMark(func(m mark) bool {
		version := 1
		if m.corrected {
			version = 2
		}
		return yield([]any{m.student, m.day, m.section, m.year, m.institution, m.status, version, m.teacher, m.day.Add(9 * time.Hour)})
	})
}

func (g generator) corrections(yield func([]any) bool) {
	g.eachMark(func(m mark) bool {
		if !m.corrected {
			return true
		}
		before := "absent"
		if m.status == before {
			before = "present"
		}
		return yield([]any{
			m.student, m.day, 1, m.section, m.institution, before, m.teacher, m.day.Add(9 * time.Hour), m.status, m.teacher, m.day.Add(12 * time.Hour),
		})
	})
}
