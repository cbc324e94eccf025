package exam

import (
	"fmt"
	"maps"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// gradeBook is all that is to be published of an exam.
type gradeBook struct {
	papers  []gendb.ListPapersRow // in their order
	takers  []gendb.ListTakersRow
	results map[resultKey]gendb.ExamResultsRow
	// attendance is that of who was in a register.
	attendance map[uuid.UUID]gendb.AttendanceOfTakersRow
}

type resultKey struct{ student, paper uuid.UUID }

func newGradeBook(papers []gendb.ListPapersRow, takers []gendb.ListTakersRow, results []gendb.ExamResultsRow, attendance []gendb.AttendanceOfTakersRow) gradeBook {
	b := gradeBook{
		papers: papers, takers: takers, results: make(map[resultKey]gendb.ExamResultsRow, len(results)),
		attendance: make(map[uuid.UUID]gendb.AttendanceOfTakersRow, len(attendance)),
	}
	for _, r := range results {
		b.results[resultKey{r.StudentID, r.PaperID}] = r
	}
	for _, a := range attendance {
		b.attendance[a.StudentID] = a
	}
	return b
}

// missing says in words which papers lack results, and how many: of those that everybody takes. Empty is complete.
func (b gradeBook) missing() string {
	var lacking []string
	for _, p := range b.papers {
		n := 0
		for _, t := range b.takers {
			if _, has := b.results[resultKey{t.StudentID, p.ID}]; !has && !p.IsElective {
				n++
			}
		}
		if n > 0 {
			lacking = append(lacking, fmt.Sprintf("%s: %d", p.SubjectName, n))
		}
	}
	return strings.Join(lacking, ", ")
}

// card is what is published of one student.
type card struct {
	student, section uuid.UUID
	subjects         []api.SubjectResult
	total            total
	rank             int32 // in the section; 0 is none
	attendance       *api.CardAttendance
}

// cards are those of everybody who has a result, ranked section by section.
func (b gradeBook) cards(s scale) []card {
	var all []card
	for _, t := range b.takers {
		if c := b.card(t, s); len(c.subjects) > 0 {
			all = append(all, c)
		}
	}
	bySection := map[uuid.UUID][]int{}
	for i, c := range all {
		bySection[c.section] = append(bySection[c.section], i)
	}
	for members := range maps.Values(bySection) {
		totals := make([]total, len(members))
		for i, member := range members {
			totals[i] = all[member].total
		}
		for i, rank := range ranks(totals) {
			all[members[i]].rank = rank
		}
	}
	return all
}

func (b gradeBook) card(t gendb.ListTakersRow, s scale) card {
	c := card{student: t.StudentID, section: t.SectionID}
	var sittings []sitting
	for _, p := range b.papers {
		if r, has := b.results[resultKey{t.StudentID, p.ID}]; has {
			sittings = append(sittings, sitting{p.MaxMarks, p.Weight, r.Marks})
			c.subjects = append(c.subjects, subjectResult(p, r, s))
		}
	}
	c.total = totalOf(sittings)
	if a, marked := b.attendance[t.StudentID]; marked {
		c.attendance = &api.CardAttendance{
			From: a.FromDate, To: a.ToDate, Days: int32(a.Days), Attended: int32(a.Attended),
			Rate: percentageOf(decimal.NewFromInt(a.Attended), decimal.NewFromInt(a.Days)),
		}
	}
	return c
}

func subjectResult(p gendb.ListPapersRow, r gendb.ExamResultsRow, s scale) api.SubjectResult {
	line := api.SubjectResult{
		SubjectId: p.SubjectID, SubjectName: p.SubjectName, MaxMarks: p.MaxMarks, Weight: p.Weight, IsElective: p.IsElective,
		Marks: r.Marks, Absent: r.Marks == nil, Remark: r.Remark,
	}
	if r.Marks != nil {
		percentage := percentageOf(*r.Marks, p.MaxMarks)
		grade := s.grade(percentage)
		line.Percentage, line.Grade, line.Points = &percentage, &grade.name, grade.points
	}
	return line
}

// verdict is what a card says of the exam as a whole: a percentage of what was sat, grade and rank only without an absence.
type verdict struct {
	percentage, points *decimal.Decimal
	grade              *string
	rank               *int32
}

func (c card) verdict(s scale) verdict {
	var v verdict
	if c.total.hasSat() {
		v.percentage = new(c.total.percentage())
	}
	if c.total.isComplete() {
		b := s.grade(*v.percentage)
		v.grade, v.points, v.rank = &b.name, b.points, &c.rank
	}
	return v
}

// bandsView and bandsOf translate a scale to the API's bands and back, the best first.
func bandsView(s scale) []api.GradingBand {
	bands := make([]api.GradingBand, len(s))
	for i, b := range s {
		bands[i] = api.GradingBand{Name: b.name, MinPercentage: b.minimum, Points: b.points}
	}
	return bands
}

func bandsOf(bands []api.GradingBand) []band {
	all := make([]band, len(bands))
	for i, b := range bands {
		all[i] = band{b.Name, b.MinPercentage, b.Points}
	}
	return all
}
