package exam_test

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func TestPublish_aCardSaysWhatDocsExamsSays(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 2, 5, 3)
	e := s.create(t, "Half-Yearly")
	_, err := s.setPapers(e.Id, paper(s.subjects[0], "80", "1", false), paper(s.subjects[1], "30", "1.5", false), paper(s.subjects[2], "50", "1", true))
	require.NoError(t, err)
	s.mustStep(t, e.Id, api.ExamStatusScheduled)
	marks := [][]string{{"64", "22.25"}, {"64", "22.25"}, {"80", ""}, {"80", "30"}, {"10", "1"}}
	for i, m := range marks {
		for j := range m {
			_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[j]}, entry(s.students[0][i], m[j]), entry(s.students[1][i], "15"))
			require.NoError(t, err)
		}
	}
	_, err = s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[2]}, entry(s.students[0][1], "0.1"))
	require.NoError(t, err)
	s.mustStep(t, e.Id, api.ExamStatusCompleted, api.ExamStatusPublished)

	weighted := s.card(t, s.students[0][0], nil)
	assert.Equal(t, "97.375 125 77.9 B1 2", brief(weighted), "64 + 1.5 x 22.25 of 80 + 1.5 x 30")
	require.Len(t, weighted.Subjects, 2, "the elective was not taken")
	assert.Equal(t, "74.17", weighted.Subjects[1].Percentage.String(), "22.25 of 30, half up")
	assert.Equal(t, "97.475 175 55.7 C1 3", brief(s.card(t, s.students[0][1], nil)), "the elective counts for who took it")
	absent := s.card(t, s.students[0][2], nil)
	assert.Equal(t, "80 80 100 - -", brief(absent), "of what was sat; neither grade nor rank")
	assert.EqualValues(t, 1, absent.Absences)
	assert.Equal(t, "125 125 100 A1 1", brief(s.card(t, s.students[0][3], nil)))
	assert.Equal(t, "11.5 125 9.2 E2 4", brief(s.card(t, s.students[0][4], nil)))
	for _, student := range s.students[1] {
		assert.EqualValues(t, 1, *s.card(t, student, nil).Rank, "each section has its own ranks, and ties share")
	}
}

// brief is total, maximum, percentage, grade and rank.
func brief(c api.ReportCard) string {
	words := []string{c.TotalMarks.String(), c.TotalMaxMarks.String()}
	for _, p := range []any{c.Percentage, c.Grade, c.Rank} {
		word := "-"
		switch p := p.(type) {
		case *decimal.Decimal:
			if p != nil {
				word = p.String()
			}
		case *string:
			if p != nil {
				word = *p
			}
		case *int32:
			if p != nil {
				word = strconv.Itoa(int(*p))
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// The pool is as the service's: publishing has to be done within a request's time, all tries included.
func TestPublish_aClassOf300InEightSubjectsTakesTheTimeOfARequest(t *testing.T) {
	t.Parallel()
	s := newSchool(t, db.Config{}, 6, 50, 8)
	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusCompleted)
	start := time.Now()
	s.mustStep(t, e.Id, api.ExamStatusPublished)
	t.Logf("300 students in 8 subjects published in %v", time.Since(start).Round(time.Millisecond))
	assert.EqualValues(t, 300, dbtest.Value[int64](t, s.database, `select count(*) from `+s.schema+`.report_cards`))
}

func TestPublish_ofTwoAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 20, 2)
	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusCompleted)
	var succeeded, refused atomic.Int64
	var all errgroup.Group
	for range 8 {
		all.Go(func() error {
			_, err := s.step(s.ctx, e.Id, api.ExamStatusPublished)
			switch {
			case err == nil:
				succeeded.Add(1)
			case apperr.KindOf(err) == apperr.Conflict:
				refused.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
	assert.EqualValues(t, 1, succeeded.Load())
	assert.EqualValues(t, 7, refused.Load())
	assert.Equal(t, []int32{1}, dbtest.Values[int32](t, s.database, `select version from `+s.schema+`.exam_publications`))
	assert.EqualValues(t, 20, dbtest.Value[int64](t, s.database, `select count(*) from `+s.schema+`.report_cards`))
}

// Graders write whole sheets, again and again, while the exam is published. What is published is then what is stored: a sheet
// that was written is in as a whole, or its grader was refused.
func TestPublish_isNeverTornByResultsThatComeInMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 4, 25, 2)
	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusCompleted)
	var written, refused atomic.Int64
	var graders errgroup.Group
	for i := range s.sections {
		graders.Go(func() error {
			for n := 1; ; n++ {
				_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, same(s.students[i], strconv.Itoa(n%100))...)
				switch {
				case err == nil:
					written.Add(1)
				case apperr.KindOf(err) == apperr.Conflict:
					refused.Add(1)
					return nil // the exam is published
				default:
					return err
				}
			}
		})
	}
	require.Eventually(t, func() bool { return written.Load() > 20 }, 20*time.Second, time.Millisecond)
	s.mustStep(t, e.Id, api.ExamStatusPublished)
	require.NoError(t, graders.Wait())
	assert.EqualValues(t, 4, refused.Load(), "everybody was told in the end")

	for i, students := range s.students {
		var marks []string
		for _, student := range students {
			marks = append(marks, s.card(t, student, nil).Subjects[0].Marks.String())
		}
		slices.Sort(marks)
		assert.Len(t, slices.Compact(marks), 1, "section %d is of one piece", i)
	}
	assert.Zero(t, dbtest.Value[int64](t, s.database, `select count(*) from `+s.schema+`.report_cards c, jsonb_to_recordset(c.subjects) as l("subjectId" uuid, marks numeric)
		join `+s.schema+`.exam_papers p on p.subject_id = l."subjectId"
		join `+s.schema+`.exam_results r on r.paper_id = p.id
		where r.student_id = c.student_id and r.marks <> l.marks`), "what is stored is what was published")
	t.Logf("%d sheets written meanwhile", written.Load())
}

func TestPublish_aCorrectionMakesAVersionAndTheOneBeforeStays(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 3, 1)
	e := s.scheduled(t)
	for i, marks := range []string{"90", "80", "70"} {
		_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, entry(s.students[0][i], marks))
		require.NoError(t, err)
	}
	at := sheet{exam: e.Id, subject: s.subjects[0], reason: new("Marked again")}
	_, err := s.record(s.ctx, at, entry(s.students[0][2], "95"))
	wantFault(t, err, apperr.Conflict, "reason", "step")
	s.mustStep(t, e.Id, api.ExamStatusCompleted, api.ExamStatusPublished)
	first := make([]api.ReportCard, 3)
	for i, student := range s.students[0] {
		first[i] = s.card(t, student, nil)
	}

	_, err = s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, entry(s.students[0][2], "95"))
	wantFault(t, err, apperr.Conflict, "reason", "required")
	_, err = s.ReplaceGradingScale(s.ctx, api.ReplaceGradingScaleRequestObject{InstitutionId: s.institution, Body: &api.GradingScaleReplacement{
		Bands: []api.GradingBand{{Name: "Other", MinPercentage: decimal.Zero}},
	}})
	require.NoError(t, err)
	_, err = s.record(s.ctx, at, entry(s.students[0][2], "95"))
	require.NoError(t, err)

	for i, student := range s.students[0] {
		assert.Equal(t, first[i], s.card(t, student, new(int32(1))), "version 1 is as it was")
		assert.EqualValues(t, 2, s.card(t, student, nil).Version)
		assert.Equal(t, []string{"90 100 90 A2 2", "80 100 80 B1 3", "95 100 95 A1 1"}[i], brief(s.card(t, student, nil)), "graded by the scale of version 1")
	}
	list := got[api.ListExamPublications200JSONResponse](t)(s.ListExamPublications(s.ctx, api.ListExamPublicationsRequestObject{
		ExamId: e.Id, Params: api.ListExamPublicationsParams{Page: new(int32(1)), Limit: new(1)},
	}))
	assert.Equal(t, "Marked again", *list.Data[0].Reason)
	assert.EqualValues(t, 2, list.Page.Total)
}

func TestPublish_correctionsAtOnceEachMakeAVersion(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 5, 1, 1) // in sheets of their own, so that only the exam keeps them apart
	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusCompleted, api.ExamStatusPublished)
	students := slices.Concat(s.students...)
	var all errgroup.Group
	for i, student := range students {
		all.Go(func() error {
			_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0], reason: new("Marked again")}, entry(student, strconv.Itoa(50+i)))
			return err
		})
	}
	require.NoError(t, all.Wait())
	assert.Equal(t, []int32{1, 2, 3, 4, 5, 6}, dbtest.Values[int32](t, s.database, `select version from `+s.schema+`.exam_publications order by 1`))
	for i, student := range students {
		assert.Equal(t, strconv.Itoa(50+i), s.card(t, student, nil).TotalMarks.String(), "the last version has all of them")
	}
}

func TestPublish_needsSomebodyWhoSeesTheWholeClass(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 2, 2, 1)
	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusCompleted)
	teacher := s.teacher(t, s.sections[0])
	_, err := s.step(teacher, e.Id, api.ExamStatusPublished)
	assert.Equal(t, apperr.Forbidden, apperr.KindOf(err), "a teacher's sections are not the class")
	s.mustStep(t, e.Id, api.ExamStatusPublished)
	_, err = s.record(teacher, sheet{exam: e.Id, subject: s.subjects[0], reason: new("Marked again")}, entry(s.students[0][0], "1"))
	assert.Equal(t, apperr.Forbidden, apperr.KindOf(err))
	assert.EqualValues(t, 4, dbtest.Value[int64](t, s.database, `select count(*) from `+s.schema+`.report_cards`))
}

func TestPublish_guardiansSeeTheOwnChildrenOnceItIsPublished(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 3, 1)
	child, other := s.students[0][0], s.students[0][1]
	parent := uuid.New()
	s.exec(t, `insert into users (id, first_name, last_name) values ($1, 'Sunita', 'Verma')`, parent)
	s.exec(t, `insert into guardians (id, user_id, first_name, last_name) values ($1, $1, 'Sunita', 'Verma')`, parent)
	s.exec(t, `insert into student_guardians (student_id, guardian_id, relationship, position) values ($1, $2, 'mother', 0)`, child, parent)
	guardian := s.as(t, parent, contract.ReachStudents)
	results := func(student uuid.UUID) ([]api.ReportCard, error) {
		response, err := s.ListStudentResults(guardian, api.ListStudentResultsRequestObject{
			StudentId: student, Params: api.ListStudentResultsParams{Page: new(int32(1)), Limit: new(10)},
		})
		if err != nil {
			return nil, err
		}
		return response.(api.ListStudentResults200JSONResponse).Data, nil
	}
	drafts := s.create(t, "A draft")
	_, err := s.GetExam(guardian, api.GetExamRequestObject{ExamId: drafts.Id})
	assert.Equal(t, apperr.NotFound, apperr.KindOf(err), "a draft is nobody's business")

	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	cards, err := results(child)
	require.NoError(t, err)
	assert.Empty(t, cards, "nothing before it is published")
	sheets := s.read(t, guardian, e.Id, s.subjects[0], nil).Body.Data
	require.Len(t, sheets, 1, "the own child, were there the permission to look")
	assert.Nil(t, sheets[0].Marks, "and not the marks")
	_, err = s.record(guardian, sheet{exam: e.Id, subject: s.subjects[0]}, entry(child, "100"))
	assert.Equal(t, apperr.Forbidden, apperr.KindOf(err), "nobody grades the own child")

	s.mustStep(t, e.Id, api.ExamStatusCompleted, api.ExamStatusPublished)
	cards, err = results(child)
	require.NoError(t, err)
	require.Len(t, cards, 1)
	assert.EqualValues(t, 3, *cards[0].Rank)
	_, err = results(other)
	assert.Equal(t, apperr.NotFound, apperr.KindOf(err))
}

func TestPublish_nobodyChangesACard(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 1, 1)
	e := s.scheduled(t)
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusCompleted, api.ExamStatusPublished)
	conn := s.database.Conn(t)
	for _, sql := range []string{
		"update %s.report_cards set rank = 1", "delete from %s.report_cards", "update %s.exam_publications set reason = 'x'", "delete from %s.exam_publications",
	} {
		_, err := conn.Exec(t.Context(), replaceSchema(sql, s.schema))
		require.ErrorContains(t, err, "never changed", sql)
	}
}

func replaceSchema(sql, schema string) string { return strings.ReplaceAll(sql, "%s", schema) }

func TestPublish_attendanceIsThatOfTheTermUpToTheExam(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 3, 1)
	e := s.scheduled(t) // 14 to 25 September
	s.recordAll(t, e.Id)
	mark := func(student uuid.UUID, day, status string) {
		s.exec(t, `insert into attendance_registers (section_id, date, academic_year_id, institution_id, taken_by, updated_by)
			values ($1, $2, $3, $4, $5, $5) on conflict do nothing`, s.sections[0], day, s.year, s.institution, s.user)
		s.exec(t, `insert into attendance_marks (student_id, date, section_id, academic_year_id, institution_id, status, marked_by)
			values ($1, $2, $3, $4, $5, $6, $7)`, student, day, s.sections[0], s.year, s.institution, status, s.user)
	}
	first, second := s.students[0][0], s.students[0][1]
	for day, status := range map[string]string{
		"2026-06-30": "absent", "2026-07-01": "present", "2026-09-14": "late", "2026-09-24": "excused", "2026-09-25": "present", "2026-09-26": "absent",
	} {
		mark(first, day, status)
	}
	mark(second, "2026-09-25", "absent")
	s.exec(t, `insert into terms (academic_year_id, name, start_date, end_date)
		values ($1, 'Spring', '2026-04-01', '2026-06-30'), ($1, 'Autumn', '2026-07-01', '2026-12-20')`, s.year)
	s.mustStep(t, e.Id, api.ExamStatusCompleted, api.ExamStatusPublished)

	got := s.card(t, first, nil).Attendance
	assert.Equal(t, []string{"2026-07-01", "2026-09-25"}, []string{got.From.String(), got.To.String()})
	assert.Equal(t, []int32{4, 3}, []int32{got.Days, got.Attended}, "late is attended, excused is not")
	assert.Equal(t, "75", got.Rate.String())
	assert.Equal(t, "0", s.card(t, second, nil).Attendance.Rate.String())
	assert.Nil(t, s.card(t, s.students[0][2], nil).Attendance, "who was in no register")

	s.exec(t, `update attendance_marks set status = 'present'`)
	s.exec(t, `delete from terms`)
	assert.Equal(t, got, s.card(t, first, nil).Attendance, "what is published stays")
	_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0], reason: new("Marked again")}, entry(first, "50"))
	require.NoError(t, err)
	again := s.card(t, first, nil).Attendance
	assert.Equal(t, []int32{5, 5}, []int32{again.Days, again.Attended}, "a year without terms begins with its first day")
}
