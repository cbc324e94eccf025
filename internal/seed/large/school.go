package large

import (
	"fmt"
	"slices"
	"time"
)

// How a made-up school is divided. A section has 34 students at most, so a grade has three.
const (
	studentsPerSchool  = 1200
	grades             = 12
	studentsPerGrade   = studentsPerSchool / grades
	sectionsPerGrade   = 3
	studentsPerSection = 34
	sectionsPerSchool  = grades * sectionsPerGrade
	// Of each school: a registrar, somebody at the desk, and a teacher for each section.
	staffPerSchool = 2 + sectionsPerSchool
	administrators = 2
)

// generator makes the rows of a size. Every row follows from its number, so tables can be made one after the other without
// any of them being kept.
type generator struct {
	Size

	schools int
}

func newGenerator(size Size) generator {
	return generator{Size: size, schools: (size.Students + studentsPerSchool - 1) / studentsPerSchool}
}

// tables are all tables, in the order of their foreign keys.
func (g generator) tables() []table {
	structure := []table{
		{"institutions", []string{"id", "name", "code", "created_at", "updated_at"}, g.institutions},
		{"academic_years", []string{"id", "institution_id", "name", "start_date", "end_date", "is_current", "created_at", "updated_at"}, g.years},
		{"classes", []string{"id", "institution_id", "name", "grade_level", "created_at", "updated_at"}, g.classes},
		{"sections", []string{"id", "class_id", "name", "capacity", "created_at", "updated_at"}, g.sections},
		{"roles", []string{"id", "name", "name_folded", "permissions", "reach", "created_at", "updated_at"}, g.roles},
		{"users", []string{"id", "email", "first_name", "last_name", "password_hash", "created_at", "updated_at"}, g.users},
		{"user_roles", []string{"id", "user_id", "role", "role_id", "institution_id"}, g.assignments},
		{"teaching_assignments", []string{"user_id", "section_id"}, g.teaching},
		{"sessions", []string{"id", "user_id", "token_hash", "created_at", "expires_at", "ended_at", "last_used_at", "remote_address", "user_agent", "password_at"}, g.sessions},
		{"second_factors", []string{"user_id", "secret_sealed", "activated_at", "created_at"}, g.factors},
		{"recovery_codes", []string{"user_id", "code_hash"}, g.recoveryCodes},
		{"guesses", []string{"purpose", "subject", "failures", "counted_at"}, g.guesses},
		{"students", studentColumns, g.students},
		{"enrollments", enrollmentColumns, g.enrollments},
		{"guardians", []string{"id", "user_id", "first_name", "last_name", "email", "phone", "created_at", "updated_at"}, g.guardians},
		{"student_guardians", []string{"student_id", "guardian_id", "relationship", "is_primary", "position"}, g.guardianLinks},
	}
	return slices.Concat(structure, g.attendanceTables(), g.examTables(), g.eventTables(), g.auditTables())
}

func (g generator) institutions(yield func([]any) bool) {
	for k := range g.schools {
		patron, town := patrons[k%len(patrons)], towns[k/len(patrons)%len(towns)]
		name := fmt.Sprintf("%s School, %s %d", patron, town, 1+k/(len(patrons)*len(towns)))
		if !yield([]any{madeID(institutionKind, k), name, fmt.Sprintf("SCH-%05d", k+1), epoch, epoch}) {
			return
		}
	}
}

// yearStart is the first day of the y-th academic year, counted from the oldest.
func (g generator) yearStart(y int) time.Time { return epoch.AddDate(y+1-g.Years, 0, 0) }

func (g generator) yearEnd(y int) time.Time { return g.yearStart(y).AddDate(1, 0, -1) }

func (g generator) years(yield func([]any) bool) {
	for k := range g.schools {
		for y := range g.Years {
			start, end := g.yearStart(y), g.yearEnd(y)
			name := fmt.Sprintf("%d-%02d", start.Year(), end.Year()%100)
			if !yield([]any{madeID(yearKind, k*g.Years+y), madeID(institutionKind, k), name, start, end, y == g.Years-1, epoch, epoch}) {
				return
			}
		}
	}
}

func (g generator) classes(yield func([]any) bool) {
	for n := range g.schools * grades {
		grade := n%grades + 1
		if !yield([]any{madeID(classKind, n), madeID(institutionKind, n/grades), fmt.Sprintf("Grade %d", grade), grade, epoch, epoch}) {
			return
		}
	}
}

func (g generator) sections(yield func([]any) bool) {
	for n := range g.schools * sectionsPerSchool {
		name := string(rune('A' + n%sectionsPerGrade))
		if !yield([]any{madeID(sectionKind, n), madeID(classKind, n/sectionsPerGrade), name, 40, epoch, epoch}) {
			return
		}
	}
}

// teaching gives every teacher a section of their own, the next one, and one of the next grades.
func (g generator) teaching(yield func([]any) bool) {
	for k := range g.schools {
		for s := range sectionsPerSchool {
			for _, taught := range []int{s, (s + 1) % sectionsPerSchool, (s + sectionsPerGrade*4) % sectionsPerSchool} {
				if !yield([]any{madeID(staffKind, teacherOf(k, s)), madeID(sectionKind, k*sectionsPerSchool+taught)}) {
					return
				}
			}
		}
	}
}

// registrarOf, deskOf and teacherOf number the staff of school k.
func registrarOf(k int) int  { return administrators + k*staffPerSchool }
func deskOf(k int) int       { return registrarOf(k) + 1 }
func teacherOf(k, s int) int { return registrarOf(k) + 2 + s }
