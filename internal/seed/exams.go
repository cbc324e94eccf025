package seed

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/shopspring/decimal"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/exam"
)

// exams of the first institution. What is in them depends on who is enrolled, and on nothing else.
var exams = []struct {
	id, class  int
	name       string
	start, end openapi_types.Date
	days       [5]int // from the first to each paper's
	maxMarks   int64
	status     string
}{
	{1201, 302, "Unit Test 1", date(2026, 7, 13), date(2026, 7, 17), [5]int{0, 1, 2, 3, 4}, 25, "published"},
	{1202, 302, "Half-Yearly Examination", date(2026, 9, 14), date(2026, 9, 25), [5]int{0, 2, 4, 7, 9}, 100, "scheduled"},
	{1203, 301, "Unit Test 1", date(2026, 7, 13), date(2026, 7, 17), [5]int{0, 1, 2, 3, 4}, 25, "published"},
	{1204, 303, "Unit Test 1", date(2026, 7, 13), date(2026, 7, 17), [5]int{0, 1, 2, 3, 4}, 25, "published"},
	{1205, 302, "Annual Examination", date(2027, 2, 15), date(2027, 2, 26), [5]int{0, 2, 4, 7, 9}, 100, "draft"},
}

// examSubjects are the subjects of every exam: numbers of the demo's. The last one is elective.
var examSubjects = []int{1001, 1002, 1003, 1004, 1005}

const computerScience = 1005

// exams are published, in progress, or planned.
func (w writer) exams(ctx context.Context, q *db.Queries) error {
	for i := range exams {
		if err := w.exam(ctx, q, i); err != nil {
			return fmt.Errorf("exam %d: %w", exams[i].id, err)
		}
	}
	return w.secondVersion(ctx, q)
}

func (w writer) exam(ctx context.Context, q *db.Queries, i int) error {
	e := exams[i]
	row, err := q.CreateExam(ctx, gendb.CreateExamParams{
		ID: numbered(e.id), InstitutionID: numbered(101), AcademicYearID: numbered(201), ClassID: numbered(e.class),
		Name: e.name, StartDate: e.start, EndDate: e.end,
	})
	if err != nil {
		return err
	}
	if _, err := db.RunBatch(q.WritePapers(ctx, paperRows(i))); err != nil {
		return err
	}
	if e.status == "draft" {
		return nil
	}
	if err := w.results(ctx, q, i); err != nil {
		return err
	}
	if row, err = q.UpdateExam(ctx, gendb.UpdateExamParams{ID: row.ID, Name: row.Name, StartDate: row.StartDate, EndDate: row.EndDate, Status: e.status}); err != nil {
		return err
	}
	if e.status != "published" {
		return nil
	}
	return exam.Publish(ctx, q, row, exam.Publication{By: numbered(501), Version: 1})
}

// paperID is the paper of an exam in a subject: 12xxx.
func paperID(exam, subject int) uuid.UUID { return numbered(exam*10 + subject%10) }

func paperRows(exam int) []gendb.WritePapersParams {
	e := exams[exam]
	rows := make([]gendb.WritePapersParams, len(examSubjects))
	for i, subject := range examSubjects {
		rows[i] = gendb.WritePapersParams{
			ID: paperID(e.id, subject), ExamID: numbered(e.id), InstitutionID: numbered(101), SubjectID: numbered(subject),
			MaxMarks: decimal.New(e.maxMarks, 0), Weight: decimal.New(1, 0), Position: int16(i),
			HeldOn: &openapi_types.Date{Time: e.start.AddDate(0, 0, e.days[i])},
		}
		if subject == computerScience {
			rows[i].IsElective, rows[i].MaxMarks = true, decimal.New(min(e.maxMarks, 50), 0)
		}
	}
	return rows
}

// results of a published exam are all there; of the one in progress there are those of the teacher's section in English.
func (w writer) results(ctx context.Context, q *db.Queries, exam int) error {
	e := exams[exam]
	takers, err := q.ListTakers(ctx, numbered(e.id))
	if err != nil {
		return err
	}
	for _, p := range paperRows(exam) {
		arg := gendb.RecordResultsParams{PaperID: p.ID, InstitutionID: p.InstitutionID, GradedBy: numbered(503)}
		for _, t := range takers {
			isGraded := e.status == "published" || p.SubjectID == numbered(1001) && t.SectionID == numbered(403)
			if isGraded && (!p.IsElective || dice(t.StudentID, "elects")%2 == 0 || isAsha(t.StudentID)) {
				addResult(&arg, p, t.StudentID)
			}
		}
		if err := q.RecordResults(ctx, arg); err != nil {
			return err
		}
		if err := q.TurnSheets(ctx, p.ID, sectionsOf(takers)); err != nil {
			return err
		}
	}
	return nil
}

func sectionsOf(takers []gendb.ListTakersRow) (sections []uuid.UUID) {
	for _, t := range takers {
		sections = append(sections, t.SectionID)
	}
	return sections
}

// addResult gives the student of the examples the best results, and others what their ability and the day make of it: half
// marks between a third and nine tenths, and now and then an absence.
func addResult(arg *gendb.RecordResultsParams, p gendb.WritePapersParams, student uuid.UUID) {
	percent := 40 + dice(student, "ability")%45 + dice(student, p.ID.String())%9 - 3
	absent, remark := dice(student, p.ID.String()+"absent")%50 == 0, ""
	if p.ID == paperID(1202, 1001) && student == numbered(6043) {
		absent, remark = true, "Ill" // the row of the examples
	}
	marks := decimal.New(p.MaxMarks.IntPart()*2*int64(percent)/100*5, -1)
	if isAsha(student) {
		marks, absent = ashasMarks(p), false
	}
	arg.StudentIds = append(arg.StudentIds, student)
	arg.Marks = append(arg.Marks, marks)
	arg.Absent = append(arg.Absent, absent)
	arg.Remarks = append(arg.Remarks, remark)
}

func isAsha(student uuid.UUID) bool { return student == numbered(601) }

// ashasMarks are those of the examples, of 25; in another exam as good ones.
func ashasMarks(p gendb.WritePapersParams) decimal.Decimal {
	of25 := []decimal.Decimal{decimal.New(235, -1), decimal.New(23, 0), decimal.New(245, -1), decimal.New(23, 0), decimal.New(24, 0)}[p.Position]
	return of25.Mul(p.MaxMarks).Div(decimal.New(25, 0)).Round(1)
}

// secondVersion corrects the first exam.
func (w writer) secondVersion(ctx context.Context, q *db.Queries) error {
	err := q.RecordResults(ctx, gendb.RecordResultsParams{
		PaperID: paperID(1201, 1002), InstitutionID: numbered(101), GradedBy: numbered(501), StudentIds: []uuid.UUID{numbered(601)},
		Marks: []decimal.Decimal{decimal.New(24, 0)}, Absent: []bool{false}, Remarks: []string{""},
	})
	if err != nil {
		return fmt.Errorf("correct a result: %w", err)
	}
	row, err := q.GetExam(ctx, numbered(1201))
	if err != nil {
		return fmt.Errorf("read the exam: %w", err)
	}
	return exam.Publish(ctx, q, row, exam.Publication{By: numbered(501), Version: 2, Reason: new("Question 7 of Mathematics was marked again")})
}

// dice are the same for the same student and purpose, in every tenant.
func dice(student uuid.UUID, purpose string) int {
	h := fnv.New32a()
	_, _ = h.Write(append(student[:], purpose...))
	return int(h.Sum32() % 1000)
}
