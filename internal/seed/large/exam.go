package large

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// papersPerExam are the first of the school's subjects.
const papersPerExam = 3

var bands = []struct {
	name string
	from int
}{{"A", 80}, {"B", 60}, {"C", 45}, {"D", 33}, {"E", 0}}

// examTables come after the attendance.
func (g generator) examTables() []table {
	return []table{
		{"grading_bands", []string{"institution_id", "name", "min_percentage"}, g.gradingBands},
		{"exams", []string{
			"id", "institution_id", "academic_year_id", "class_id", "name", "start_date", "end_date", "status", "created_at", "updated_at",
		}, g.exams},
		{"exam_papers", []string{"id", "exam_id", "institution_id", "subject_id", "max_marks", "weight", "held_on", "position"}, g.papers},
		{"exam_sheets", []string{"paper_id", "section_id"}, g.sheets},
		{"exam_results", []string{"paper_id", "student_id", "institution_id", "marks", "absent", "graded_by", "graded_at"}, g.results},
		{"exam_publications", []string{"id", "exam_id", "institution_id", "version", "published_by", "published_at", "scale"}, g.publications},
		{"report_cards", []string{
			"publication_id", "student_id", "institution_id", "exam_id", "version", "published_at", "academic_year_id", "class_id", "section_id", "exam_name",
			"start_date", "end_date", "subjects", "absences", "total_marks", "total_max_marks", "percentage", "grade", "rank",
		}, g.reportCards},
	}
}

func (g generator) gradingBands(yield func([]any) bool) {
	for k := range g.schools {
		for _, b := range bands {
			if !yield([]any{madeID(institutionKind, k), b.name, b.from}) {
				return
			}
		}
	}
}

// The first exam of every class is published, the second a draft.
const (
	examName  = "First test"
	draftName = "Half-yearly"
)

var (
	examStart = epoch.AddDate(0, 0, 19)
	examEnd   = epoch.AddDate(0, 0, 23)
	published = epoch.AddDate(0, 1, 0)
)

func (g generator) currentYearOf(school int) uuid.UUID {
	return madeID(yearKind, school*g.Years+g.Years-1)
}

func (g generator) exams(yield func([]any) bool) {
	for n := range g.schools * grades {
		institution, year, class := madeID(institutionKind, n/grades), g.currentYearOf(n/grades), madeID(classKind, n)
		if !yield([]any{madeID(examKind, 2*n), institution, year, class, examName, examStart, examEnd, "published", epoch, epoch}) ||
			!yield([]any{madeID(examKind, 2*n+1), institution, year, class, draftName, epoch.AddDate(0, 6, 0), epoch.AddDate(0, 6, 9), "draft", epoch, epoch}) {
			return
		}
	}
}

func (g generator) papers(yield func([]any) bool) {
	for n := range g.schools * grades * papersPerExam {
		class, paper := n/papersPerExam, n%papersPerExam
		school := class / grades
		if !yield([]any{
			madeID(paperKind, n), madeID(examKind, 2*class), madeID(institutionKind, school), madeID(subjectKind, school*len(madeSubjects)+paper),
			100, 1, examStart.AddDate(0, 0, paper), int16(paper),
		}) {
			return
		}
	}
}

func (g generator) sheets(yield func([]any) bool) {
	for n := range g.schools * grades * papersPerExam {
		for s := range sectionsPerGrade {
			if !yield([]any{madeID(paperKind, n), madeID(sectionKind, n/papersPerExam*sectionsPerGrade+s)}) {
				return
			}
		}
	}
}

// marksOf are a student's marks in a paper; nil is absence.
func marksOf(i, paper int) *int {
	c := chance(paperKind, i*papersPerExam+paper)
	if c.IntN(50) == 0 {
		return nil
	}
	return new(min(100, 35+c.IntN(40)+c.IntN(31)))
}

func (g generator) results(yield func([]any) bool) {
	for i := range g.Students {
		s := g.student(i)
		class := s.school*grades + s.grade
		teacher := madeID(staffKind, teacherOf(s.school, s.grade*sectionsPerGrade+s.section))
		for paper := range papersPerExam {
			marks := marksOf(i, paper)
			if !yield([]any{madeID(paperKind, class*papersPerExam+paper), s.id, madeID(institutionKind, s.school), marks, marks == nil, teacher, examEnd}) {
				return
			}
		}
	}
}

func (g generator) publications(yield func([]any) bool) {
	for n := range g.schools * grades {
		if !yield([]any{
			madeID(publicationKind, n), madeID(examKind, 2*n), madeID(institutionKind, n/grades), 1, madeID(staffKind, registrarOf(n/grades)), published, json.RawMessage(`[]`),
		}) {
			return
		}
	}
}

// reportCards rank nobody: ranks would need all of a section at once.
func (g generator) reportCards(yield func([]any) bool) {
	for i := range g.Students {
		s := g.student(i)
		class := s.school*grades + s.grade
		total, absences := 0, 0
		for paper := range papersPerExam {
			if marks := marksOf(i, paper); marks != nil {
				total += *marks
			} else {
				absences++
			}
		}
		percentage := total / papersPerExam
		if !yield([]any{
			madeID(publicationKind, class), s.id, madeID(institutionKind, s.school), madeID(examKind, 2*class), 1, published, g.currentYearOf(s.school),
			madeID(classKind, class), madeID(sectionKind, class*sectionsPerGrade+s.section), examName, examStart, examEnd, subjectsOf(i), absences,
			total, papersPerExam * 100, percentage, gradeOf(percentage), nil,
		}) {
			return
		}
	}
}

func gradeOf(percentage int) string {
	for _, b := range bands {
		if percentage >= b.from {
			return b.name
		}
	}
	return ""
}

// subjectsOf is the list on a report card.
func subjectsOf(i int) json.RawMessage {
	var list []map[string]any
	for paper := range papersPerExam {
		entry := map[string]any{"subjectName": madeSubjects[paper].name, "maxMarks": "100"}
		if marks := marksOf(i, paper); marks != nil {
			entry["marks"] = fmt.Sprint(*marks)
		}
		list = append(list, entry)
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // texts always marshal
	}
	return text
}
