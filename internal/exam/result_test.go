package exam_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func TestResults_areKeptExactly(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 6, 1)
	e := s.scheduled(t)
	marks := []string{"0", "0.1", "0.2", "33.33", "99.99", ""}
	var entries []api.ExamResultEntry
	for i, m := range marks {
		entries = append(entries, entry(s.students[0][i], m))
	}
	entries[0].Remark = new("Slept")
	written := got[api.RecordExamResults200JSONResponse](t)(s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, entries...))
	require.Len(t, written.Body.Data, 6)
	read := s.read(t, s.ctx, e.Id, s.subjects[0], nil)
	assert.Equal(t, written.Headers.ETag, read.Headers.ETag)
	for i, r := range read.Body.Data {
		assert.Equal(t, s.students[0][i], r.StudentId, "by name")
		if marks[i] == "" {
			assert.True(t, r.Absent)
			assert.Nil(t, r.Marks, "absent is not zero")
			continue
		}
		assert.Equal(t, marks[i], r.Marks.String())
		assert.Equal(t, s.user, *r.GradedBy)
	}
	assert.Equal(t, "Slept", *read.Body.Data[0].Remark)
	assert.Equal(t, "0.3", dbtest.Value[string](t, s.database, `select sum(marks)::text from `+s.schema+`.exam_results where marks in (0.1, 0.2)`))
}

func TestResults_anEntryReplacesTheOneBeforeAndLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 2, 1)
	e := s.scheduled(t)
	at := sheet{exam: e.Id, subject: s.subjects[0]}
	for _, marks := range []string{"10", "", "20"} {
		_, err := s.record(s.ctx, at, entry(s.students[0][0], marks))
		require.NoError(t, err)
	}
	rows := s.read(t, s.ctx, e.Id, s.subjects[0], nil).Body.Data
	assert.Equal(t, "20", rows[0].Marks.String())
	assert.False(t, rows[0].Absent)
	assert.Nil(t, rows[1].GradedBy)
	assert.Nil(t, rows[1].Marks)
}

func TestResults_ofTwoGradersWhoReadTheSameOneIsToldAndNothingIsMixed(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 40, 1)
	e := s.scheduled(t)
	for range 10 {
		tag := s.read(t, s.ctx, e.Id, s.subjects[0], &s.sections[0]).Headers.ETag
		errs := make([]error, 2)
		var both errgroup.Group
		for i, marks := range []string{"1", "2"} {
			both.Go(func() error {
				_, errs[i] = s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0], section: &s.sections[0], ifMatch: &tag}, same(s.students[0], marks)...)
				return nil
			})
		}
		require.NoError(t, both.Wait())
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		require.NoError(t, errs[winner])
		require.Equal(t, apperr.PreconditionFailed, apperr.KindOf(errs[1-winner]), "%v", errs)
		for _, r := range s.read(t, s.ctx, e.Id, s.subjects[0], nil).Body.Data {
			require.Equal(t, []string{"1", "2"}[winner], r.Marks.String())
		}
	}
}

func TestResults_gradersOfDifferentSectionsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 2, 5, 1)
	e := s.scheduled(t)
	sheets := make([]sheet, 2)
	for i := range sheets {
		tag := s.read(t, s.ctx, e.Id, s.subjects[0], &s.sections[i]).Headers.ETag
		sheets[i] = sheet{exam: e.Id, subject: s.subjects[0], section: &s.sections[i], ifMatch: &tag}
	}
	whole := s.read(t, s.ctx, e.Id, s.subjects[0], nil).Headers.ETag
	for i := range sheets {
		_, err := s.record(s.ctx, sheets[i], same(s.students[i], "7")...)
		require.NoError(t, err, "the other section's sheet is another one")
	}
	_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0], ifMatch: &whole}, entry(s.students[0][0], "8"))
	assert.Equal(t, apperr.PreconditionFailed, apperr.KindOf(err), "but the sheet as a whole has changed")
	whole = s.read(t, s.ctx, e.Id, s.subjects[0], nil).Headers.ETag
	_, err = s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0], ifMatch: &whole}, entry(s.students[0][0], "8"), entry(s.students[1][0], "8"))
	require.NoError(t, err, "of both sections at once")
}

func TestResults_ofManySectionsInOppositeOrdersDoNotLockEachOther(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 4, 5, 1)
	e := s.scheduled(t)
	var all errgroup.Group
	for i := range 8 {
		all.Go(func() error {
			var entries []api.ExamResultEntry
			for j := range s.students {
				entries = append(entries, same(s.students[(j*(1+2*(i%2))+i)%4], "5")...)
			}
			_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, entries...)
			return err
		})
	}
	require.NoError(t, all.Wait())
}

func TestResults_areThoseOfWhoTakesTheExam(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 2, 6, 1)
	e := s.scheduled(t) // 14 to 25 September
	first := s.students[0]
	move := func(student uuid.UUID, status, on string, class, section uuid.UUID) {
		s.exec(t, `update enrollments set status = $2, ended_on = $3 where student_id = $1`, student, status, on)
		if section != uuid.Nil {
			s.exec(t, `insert into enrollments (id, student_id, institution_id, academic_year_id, class_id, section_id, started_on)
				values (gen_random_uuid(), $1, $2, $3, $4, $5, $6)`, student, s.institution, s.year, class, section, on)
		}
	}
	other, otherSection := uuid.New(), uuid.New()
	s.exec(t, `insert into classes (id, institution_id, name, grade_level) values ($1, $2, 'Grade 6', 6)`, other, s.institution)
	s.exec(t, `insert into sections (id, class_id, name, capacity) values ($1, $2, 'A', 40)`, otherSection, other)
	move(first[0], "withdrawn", "2026-09-13", uuid.Nil, uuid.Nil)
	move(first[1], "withdrawn", "2026-09-14", uuid.Nil, uuid.Nil)
	move(first[2], "transferred", "2026-09-14", other, otherSection)
	move(first[3], "transferred", "2026-09-20", s.class, s.sections[1])
	s.exec(t, `update enrollments set started_on = '2026-09-26' where student_id = $1`, first[4])

	takes := map[uuid.UUID]uuid.UUID{}
	for _, r := range s.read(t, s.ctx, e.Id, s.subjects[0], nil).Body.Data {
		takes[r.StudentId] = r.SectionId
	}
	assert.NotContains(t, takes, first[0], "left the day before")
	assert.Contains(t, takes, first[1], "left on the first day")
	assert.NotContains(t, takes, first[2], "went to another class on the first day, which is that class's")
	assert.Equal(t, s.sections[1], takes[first[3]], "changed sections during the exam")
	assert.NotContains(t, takes, first[4], "came the day after")
	assert.Len(t, takes, 9)

	_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, entry(first[0], "1"), entry(first[1], "1"), entry(first[2], "1"))
	var known *apperr.Error
	require.ErrorAs(t, err, &known)
	require.Len(t, known.Fields, 2)
	assert.Equal(t, "/results/0/studentId", known.Fields[0].Pointer)
	assert.Equal(t, "/results/2/studentId", known.Fields[1].Pointer)
	assert.Zero(t, dbtest.Value[int64](t, s.database, `select count(*) from `+s.schema+`.exam_results`), "nothing was written")
}

func TestResults_aTeacherHasTheOwnSectionsOnly(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 2, 3, 1)
	e := s.scheduled(t)
	teacher := s.teacher(t, s.sections[0])
	at := sheet{exam: e.Id, subject: s.subjects[0]}
	_, err := s.record(teacher, at, same(s.students[0], "50")...)
	require.NoError(t, err)
	_, err = s.record(teacher, at, entry(s.students[1][0], "50"))
	wantFault(t, err, apperr.Invalid, "results[0].studentId", "reference")
	_, err = s.record(s.ctx, at, same(s.students[1], "60")...)
	require.NoError(t, err)

	mine := s.read(t, teacher, e.Id, s.subjects[0], nil)
	assert.Len(t, mine.Body.Data, 3)
	assert.EqualValues(t, 3, mine.Body.Page.Total)
	assert.Equal(t, `"1"`, mine.Headers.ETag, "what the other section's grader writes is out of sight")
	assert.Empty(t, s.read(t, teacher, e.Id, s.subjects[0], &s.sections[1]).Body.Data)
}
