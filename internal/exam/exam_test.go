package exam_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/exam"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// school is a class with sections, students in them and subjects, on a database of the test's own.
type school struct {
	*exam.Handler

	database *dbtest.Database
	schema   string
	tenant   uuid.UUID
	ctx      context.Context // of somebody who may do everything

	institution, year, class, user uuid.UUID
	sections, subjects             []uuid.UUID
	students                       [][]uuid.UUID // by section
}

// oneTry waits long on a loaded machine and hides no deadlock by trying again.
var oneTry = db.Config{MaxConns: 12, Timeout: 30 * time.Second, LockTimeout: 20 * time.Second, Retry: resilience.Policy{Attempts: 1}}

func newSchool(t *testing.T, config db.Config, sections, studentsEach, subjects int) *school {
	t.Helper()
	d := dbtest.New(t)
	s := &school{
		Handler: &exam.Handler{DB: d.Open(t, config)}, database: d, tenant: d.Tenant(t, "asha").ID,
		institution: uuid.New(), year: uuid.New(), class: uuid.New(), user: uuid.New(),
	}
	s.schema = db.SchemaName(s.tenant)
	s.ctx = auth.With(t.Context(), auth.Principal{Tenant: s.tenant, User: s.user}, "")
	s.exec(t, `insert into institutions (id, name, code) values ($1, 'Main', 'MAIN')`, s.institution)
	s.exec(t, `insert into academic_years (id, institution_id, name, start_date, end_date) values ($1, $2, '2026-27', '2026-04-01', '2027-03-31')`, s.year, s.institution)
	s.exec(t, `insert into classes (id, institution_id, name, grade_level) values ($1, $2, 'Grade 5', 5)`, s.class, s.institution)
	s.exec(t, `insert into users (id, first_name, last_name) values ($1, 'Meera', 'Iyer')`, s.user)
	for i := range sections {
		s.section(t, string(rune('A'+i)), studentsEach)
	}
	for i := range subjects {
		id := uuid.New()
		s.exec(t, `insert into subjects (id, institution_id, name, code) values ($1, $2, 'Subject ' || $3, 'S' || $3)`, id, s.institution, string(rune('A'+i)))
		s.subjects = append(s.subjects, id)
	}
	return s
}

func (s *school) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	conn := s.database.Conn(t)
	_, err := conn.Exec(t.Context(), "set search_path = "+s.schema)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// section adds a section with students.
func (s *school) section(t *testing.T, name string, students int) {
	t.Helper()
	section := uuid.New()
	s.exec(t, `insert into sections (id, class_id, name, capacity) values ($1, $2, $3, 1000)`, section, s.class, name)
	ids := make([]uuid.UUID, students)
	for i := range ids {
		ids[i] = uuid.New()
	}
	const numbered = ` from unnest($1::uuid[]) with ordinality as ids (id, n)`
	s.exec(t, `insert into users (id, first_name, last_name) select id, 'S' || n, $2`+numbered, ids, name)
	s.exec(t, `insert into students (user_id, id, institution_id, admission_number, first_name, last_name, admission_date)
		select ids.id, id, $3, $2 || n, 'S' || n, $2, '2026-04-01'`+numbered, ids, name, s.institution)
	s.exec(t, `insert into enrollments (id, student_id, institution_id, academic_year_id, class_id, section_id, roll_number, started_on)
		select gen_random_uuid(), id, $2, $3, $4, $5, n, '2026-04-01'`+numbered, ids, s.institution, s.year, s.class, section)
	s.sections = append(s.sections, section)
	s.students = append(s.students, ids)
}

// teacher is somebody who teaches a section and may do everything there.
func (s *school) teacher(t *testing.T, section uuid.UUID) context.Context {
	t.Helper()
	id := uuid.New()
	s.exec(t, `insert into users (id, first_name, last_name) values ($1, 'Anita', 'Desai')`, id)
	s.exec(t, `insert into teaching_assignments (user_id, section_id) values ($1, $2)`, id, section)
	return s.as(t, id, contract.ReachSections)
}

// as is a user with all permissions, as far as the reach goes.
func (s *school) as(t *testing.T, user uuid.UUID, reach contract.Reach) context.Context {
	t.Helper()
	grants := auth.Grants{{Role: "r", Permissions: []string{"exams:grade", "exams:read", "exams:write"}, Reach: reach}}
	return auth.With(t.Context(), auth.Principal{Tenant: s.tenant, User: user, Grants: grants}, "exams:grade")
}

func september(day int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(2026, time.September, day, 0, 0, 0, 0, time.UTC)}
}

func dec(text string) *decimal.Decimal { return new(decimal.RequireFromString(text)) }

// got is what a handler answered, as the response that the test expects.
func got[T any](t *testing.T) func(response any, err error) T {
	t.Helper()
	return func(response any, err error) T {
		t.Helper()
		require.NoError(t, err)
		require.IsType(t, *new(T), response)
		return response.(T)
	}
}

// wantFault checks the kind of an error, and the one fault that it names: where and of which code.
func wantFault(t *testing.T, err error, kind apperr.Kind, field, code string) {
	t.Helper()
	var e *apperr.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, kind, e.Kind, "%v", err)
	if assert.Len(t, e.Fields, 1, "%v", err) {
		assert.Equal(t, [...]string{field, code}, [...]string{e.Fields[0].Field, e.Fields[0].Code})
	}
}

func (s *school) create(t *testing.T, name string) api.Exam {
	t.Helper()
	return got[api.CreateExam201JSONResponse](t)(s.CreateExam(s.ctx, api.CreateExamRequestObject{Body: &api.ExamCreate{
		AcademicYearId: s.year, ClassId: s.class, Name: name, StartDate: september(14), EndDate: september(25),
	}})).Body
}

func (s *school) setPapers(id uuid.UUID, papers ...api.ExamPaperInput) (api.ReplaceExamPapersResponseObject, error) {
	return s.ReplaceExamPapers(s.ctx, api.ReplaceExamPapersRequestObject{ExamId: id, Body: &api.ExamPaperReplacement{Papers: papers}})
}

func paper(subject uuid.UUID, most, weight string, elective bool) api.ExamPaperInput {
	return api.ExamPaperInput{SubjectId: subject, MaxMarks: *dec(most), Weight: dec(weight), IsElective: &elective}
}

func (s *school) step(ctx context.Context, id uuid.UUID, to api.ExamStatus) (api.UpdateExamResponseObject, error) {
	return s.UpdateExam(ctx, api.UpdateExamRequestObject{ExamId: id, JSONBody: &api.ExamPatch{Status: &to}})
}

func (s *school) mustStep(t *testing.T, id uuid.UUID, to ...api.ExamStatus) {
	t.Helper()
	for _, status := range to {
		_, err := s.step(s.ctx, id, status)
		require.NoError(t, err, status)
	}
}

// scheduled is an exam with a paper of 100 in every subject, scheduled.
func (s *school) scheduled(t *testing.T) api.Exam {
	t.Helper()
	e := s.create(t, "Half-Yearly")
	papers := make([]api.ExamPaperInput, len(s.subjects))
	for i, subject := range s.subjects {
		papers[i] = paper(subject, "100", "1", false)
	}
	_, err := s.setPapers(e.Id, papers...)
	require.NoError(t, err)
	s.mustStep(t, e.Id, api.ExamStatusScheduled)
	return e
}

// entry is a result; no marks is absence.
func entry(student uuid.UUID, marks string) api.ExamResultEntry {
	if marks == "" {
		return api.ExamResultEntry{StudentId: student, Absent: new(true)}
	}
	return api.ExamResultEntry{StudentId: student, Marks: dec(marks), Absent: new(false)}
}

// same are results of the same marks for all.
func same(students []uuid.UUID, marks string) []api.ExamResultEntry {
	entries := make([]api.ExamResultEntry, len(students))
	for i, student := range students {
		entries[i] = entry(student, marks)
	}
	return entries
}

// sheet says which results are written.
type sheet struct {
	exam, subject uuid.UUID
	section       *uuid.UUID
	ifMatch       *string
	reason        *string
}

func (s *school) record(ctx context.Context, sh sheet, entries ...api.ExamResultEntry) (api.RecordExamResultsResponseObject, error) {
	return s.RecordExamResults(ctx, api.RecordExamResultsRequestObject{
		ExamId: sh.exam, SubjectId: sh.subject, Params: api.RecordExamResultsParams{IfMatch: sh.ifMatch, SectionId: sh.section},
		Body: &api.ExamResultEntries{Results: entries, Reason: sh.reason},
	})
}

// recordAll gives everybody marks in everything: in the order of sections and students, as many hundredths as their number.
func (s *school) recordAll(t *testing.T, id uuid.UUID) {
	t.Helper()
	for _, subject := range s.subjects {
		for _, students := range s.students {
			for i := 0; i < len(students); i += 100 {
				var entries []api.ExamResultEntry
				for j, student := range students[i:min(i+100, len(students))] {
					entries = append(entries, api.ExamResultEntry{StudentId: student, Marks: new(decimal.New(int64(i+j), -2)), Absent: new(false)})
				}
				_, err := s.record(s.ctx, sheet{exam: id, subject: subject}, entries...)
				require.NoError(t, err)
			}
		}
	}
}

func (s *school) read(t *testing.T, ctx context.Context, id, subject uuid.UUID, section *uuid.UUID) api.ListExamResults200JSONResponse {
	t.Helper()
	return got[api.ListExamResults200JSONResponse](t)(s.ListExamResults(ctx, api.ListExamResultsRequestObject{
		ExamId: id, SubjectId: subject, Params: api.ListExamResultsParams{SectionId: section, Page: new(int32(1)), Limit: new(100)},
	}))
}

// card is what was published of a student in the one exam that there is.
func (s *school) card(t *testing.T, student uuid.UUID, version *int32) api.ReportCard {
	t.Helper()
	list := got[api.ListStudentResults200JSONResponse](t)(s.ListStudentResults(s.ctx, api.ListStudentResultsRequestObject{
		StudentId: student, Params: api.ListStudentResultsParams{Version: version, Page: new(int32(1)), Limit: new(100)},
	}))
	require.Len(t, list.Data, 1)
	return list.Data[0]
}

func TestExam_goesItsWay(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 2, 1)
	e := s.create(t, "Half-Yearly")
	assert.Equal(t, api.ExamStatusDraft, e.Status)
	assert.Equal(t, s.institution, e.InstitutionId)

	_, err := s.step(s.ctx, e.Id, api.ExamStatusScheduled)
	wantFault(t, err, apperr.Conflict, "status", "papers")
	_, err = s.setPapers(e.Id, paper(s.subjects[0], "50", "1", false))
	require.NoError(t, err)
	s.mustStep(t, e.Id, api.ExamStatusScheduled, api.ExamStatusDraft, api.ExamStatusScheduled, api.ExamStatusCompleted, api.ExamStatusScheduled, api.ExamStatusCompleted)

	_, err = s.step(s.ctx, e.Id, api.ExamStatusPublished)
	wantFault(t, err, apperr.Conflict, "status", "incomplete")
	var known *apperr.Error
	require.ErrorAs(t, err, &known)
	assert.Equal(t, "Results are missing in Subject A: 2", known.Fields[0].Message)

	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusPublished)
	for _, to := range []api.ExamStatus{api.ExamStatusDraft, api.ExamStatusScheduled, api.ExamStatusCompleted, api.ExamStatusPublished} {
		_, err = s.step(s.ctx, e.Id, to)
		wantFault(t, err, apperr.Conflict, "status", "step")
	}
}

func TestExam_withResultsOrBeyondADraftIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 1, 1)
	e := s.scheduled(t)
	remove := func() error {
		_, err := s.DeleteExam(s.ctx, api.DeleteExamRequestObject{ExamId: e.Id})
		return err
	}
	wantFault(t, remove(), apperr.Conflict, "examId", "step")
	s.recordAll(t, e.Id)
	s.mustStep(t, e.Id, api.ExamStatusDraft)
	wantFault(t, remove(), apperr.Conflict, "examId", "inUse")
	s.exec(t, `delete from exam_results`)
	require.NoError(t, remove())
	assert.Zero(t, dbtest.Value[int64](t, s.database, `select count(*) from `+s.schema+`.exam_papers`))
}

func TestExam_aPaperKeepsTheExamsDaysInPlace(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 1, 1)
	e := s.create(t, "Half-Yearly")
	p := paper(s.subjects[0], "50", "1", false)
	p.HeldOn = new(september(20))
	_, err := s.setPapers(e.Id, p)
	require.NoError(t, err)
	_, err = s.UpdateExam(s.ctx, api.UpdateExamRequestObject{ExamId: e.Id, JSONBody: &api.ExamPatch{EndDate: new(september(19))}})
	wantFault(t, err, apperr.Conflict, "endDate", "inUse")
	_, err = s.UpdateExam(s.ctx, api.UpdateExamRequestObject{ExamId: e.Id, JSONBody: &api.ExamPatch{StartDate: new(september(21))}})
	wantFault(t, err, apperr.Conflict, "startDate", "inUse")
	_, err = s.UpdateExam(s.ctx, api.UpdateExamRequestObject{ExamId: e.Id, JSONBody: &api.ExamPatch{StartDate: new(september(20)), EndDate: new(september(20))}})
	require.NoError(t, err)
}

func TestPapers_withResultsCountAsTheyDid(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 1, 1, 2)
	e := s.scheduled(t)
	_, err := s.record(s.ctx, sheet{exam: e.Id, subject: s.subjects[0]}, entry(s.students[0][0], "50"))
	require.NoError(t, err)

	_, err = s.setPapers(e.Id, paper(s.subjects[0], "50", "1", false))
	wantFault(t, err, apperr.Conflict, "papers[0].maxMarks", "inUse")
	_, err = s.setPapers(e.Id, paper(s.subjects[0], "100", "2", false))
	wantFault(t, err, apperr.Conflict, "papers[0].weight", "inUse")
	_, err = s.setPapers(e.Id, paper(s.subjects[1], "50", "1", false))
	wantFault(t, err, apperr.Conflict, "papers", "inUse")
	_, err = s.setPapers(e.Id, paper(s.subjects[0], "100.00", "1.0", true))
	require.NoError(t, err, "the same numbers, another place, and the one without results gone")

	s.mustStep(t, e.Id, api.ExamStatusCompleted)
	_, err = s.setPapers(e.Id, paper(s.subjects[0], "100", "1", false))
	assert.Equal(t, apperr.Conflict, apperr.KindOf(err))
}

func TestScale_ofTwoReplacementsAtOnceOneIsThere(t *testing.T) {
	t.Parallel()
	s := newSchool(t, oneTry, 0, 0, 0)
	put := func(names ...string) error {
		var bands []api.GradingBand
		for i, name := range names {
			bands = append(bands, api.GradingBand{Name: name, MinPercentage: decimal.New(int64(i*10), 0)})
		}
		_, err := s.ReplaceGradingScale(s.ctx, api.ReplaceGradingScaleRequestObject{InstitutionId: s.institution, Body: &api.GradingScaleReplacement{Bands: bands}})
		return err
	}
	for range 10 {
		errs := make(chan error, 2)
		go func() { errs <- put("a", "b", "c") }()
		go func() { errs <- put("x", "y") }()
		require.NoError(t, <-errs)
		require.NoError(t, <-errs)
		names := dbtest.Values[string](t, s.database, `select name from `+s.schema+`.grading_bands order by 1`)
		assert.Contains(t, [][]string{{"a", "b", "c"}, {"x", "y"}}, names)
	}
	require.NoError(t, put())
	scale := got[api.GetGradingScale200JSONResponse](t)(s.GetGradingScale(s.ctx, api.GetGradingScaleRequestObject{InstitutionId: s.institution}))
	assert.True(t, scale.IsDefault)
	assert.Len(t, scale.Bands, 9)
}
