package exam

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/etag"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// takerKey is the place of a student in a mark sheet: by name.
type takerKey struct {
	LastName, FirstName string
	ID                  uuid.UUID
}

// ListExamResults reads the mark sheet of a paper.
func (h *Handler) ListExamResults(ctx context.Context, request api.ListExamResultsRequestObject) (api.ListExamResultsResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	var version int64
	data, info, err := page.List[takerKey, gendb.ListResultsRow, api.ExamResult]{
		Name:       "exam-results",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    []any{request.ExamId, request.SubjectId, filters},
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[takerKey]) (rows []gendb.ListResultsRow, err error) {
			rows, version, err = sheetRows(ctx, q, r, request)
			return rows, err
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountTakers(ctx, gendb.CountTakersParams{ExamID: request.ExamId, SectionID: p.SectionId, Most: page.CountLimit()})
		},
		Key:  func(row gendb.ListResultsRow) takerKey { return takerKey{row.LastName, row.FirstName, row.StudentID} },
		View: resultView,

		InSteps: true,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListExamResults200JSONResponse{
		Body: api.ExamResultList{Data: data, Page: info}, Headers: api.ListExamResults200ResponseHeaders{ETag: etag.Of(version)},
	}, nil
}

func sheetRows(ctx context.Context, q *db.Queries, r page.Request[takerKey], request api.ListExamResultsRequestObject) ([]gendb.ListResultsRow, int64, error) {
	paper, err := q.GetPaper(ctx, request.ExamId, request.SubjectId)
	if err != nil {
		return nil, 0, err
	}
	version, err := q.SheetVersion(ctx, paper.ID, request.Params.SectionId)
	if err != nil {
		return nil, 0, fmt.Errorf("read the version of the sheet: %w", err)
	}
	arg := gendb.ListResultsParams{
		PaperID: paper.ID, ExamID: request.ExamId, SectionID: request.Params.SectionId, RowLimit: r.RowLimit(), RowOffset: r.RowOffset(),
	}
	if r.After != nil {
		arg.AfterLastName, arg.AfterFirstName, arg.AfterID = &r.After.LastName, &r.After.FirstName, &r.After.ID
	}
	rows, err := q.ListResults(ctx, arg)
	return rows, version, err
}

// sheet is a part of a mark sheet that was just written, and its version.
type sheet struct {
	rows    []gendb.ListResultsRow
	version int64
}

// RecordExamResults writes results; of a published exam it publishes them as the next version.
func (h *Handler) RecordExamResults(ctx context.Context, request api.RecordExamResultsRequestObject) (api.RecordExamResultsResponseObject, error) {
	written, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (sheet, error) {
		exam, err := holdForResults(ctx, q, request.ExamId, request.Body.Reason)
		if err != nil {
			return sheet{}, err
		}
		s, err := record(ctx, q, exam, request)
		if err == nil && exam.Status == string(api.ExamStatusPublished) {
			err = publishCorrection(ctx, q, exam, *request.Body.Reason)
		}
		return s, err
	})
	if err != nil {
		return nil, err
	}
	data := make([]api.ExamResult, len(written.rows))
	for i, row := range written.rows {
		data[i] = resultView(row)
	}
	return api.RecordExamResults200JSONResponse{
		Body: api.RecordedExamResults{Data: data}, Headers: api.RecordExamResults200ResponseHeaders{ETag: etag.Of(written.version)},
	}, nil
}

// holdForResults keeps the exam as it is until the results are in: its papers, and whether it is published. Many may
// enter results at once; a correction, which has a reason, is alone, because it publishes all results.
func holdForResults(ctx context.Context, q *db.Queries, id uuid.UUID, reason *string) (gendb.Exam, error) {
	hold := q.HoldExam
	if reason != nil {
		hold = q.LockExam
	}
	exam, err := hold(ctx, id)
	if err != nil {
		return exam, err
	}
	return exam, mayRecord(api.ExamStatus(exam.Status), reason != nil)
}

// mayRecord says whether results can be entered in a status, as a correction or not.
func mayRecord(status api.ExamStatus, isCorrection bool) error {
	isPublished := status == api.ExamStatusPublished
	switch {
	case status == api.ExamStatusDraft:
		return apperr.New(apperr.Conflict, "The exam is a draft. Schedule it before there are results.")
	case isPublished && !isCorrection:
		return apperr.WithFields(apperr.Conflict, apperr.BodyField("required", "The exam is published; a correction has a reason", "reason"))
	case !isPublished && isCorrection:
		return apperr.WithFields(apperr.Conflict, apperr.BodyField("step", "The exam is not published; there is nothing to correct yet", "reason"))
	}
	return nil
}

func record(ctx context.Context, q *db.Queries, exam gendb.Exam, request api.RecordExamResultsRequestObject) (sheet, error) {
	paper, err := q.GetPaper(ctx, exam.ID, request.SubjectId)
	if err != nil {
		return sheet{}, err
	}
	entries := request.Body.Results
	students := make([]uuid.UUID, len(entries))
	for i, e := range entries {
		students[i] = e.StudentId
	}
	sections, err := sectionsOf(ctx, q, exam.ID, students)
	if err != nil {
		return sheet{}, err
	}
	if err := apperr.InvalidFields(entryFaults(entries, paper.MaxMarks, sections, request.Params.SectionId)); err != nil {
		return sheet{}, err
	}
	version, err := turnSheets(ctx, q, paper.ID, sections, request.Params)
	if err != nil {
		return sheet{}, err
	}
	if err := q.RecordResults(ctx, resultParams(ctx, exam, paper.ID, entries)); err != nil {
		return sheet{}, fmt.Errorf("record results: %w", err)
	}
	rows, err := q.ListResults(ctx, gendb.ListResultsParams{PaperID: paper.ID, ExamID: exam.ID, StudentIds: students, RowLimit: int32(len(students))})
	return sheet{rows, version}, err
}

// sectionsOf is in which section each of the students takes the exam; who does not take it is left out.
func sectionsOf(ctx context.Context, q *db.Queries, exam uuid.UUID, students []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	takers, err := q.TakersAmong(ctx, exam, students)
	if err != nil {
		return nil, fmt.Errorf("look for the students: %w", err)
	}
	sections := make(map[uuid.UUID]uuid.UUID, len(takers))
	for _, t := range takers {
		sections[t.StudentID] = t.SectionID
	}
	return sections, nil
}

// turnSheets gives the mark sheets of the sections new versions, and holds the one before against If-Match. Only after
// the turn nobody else can write to them: each has gone up by one.
func turnSheets(ctx context.Context, q *db.Queries, paper uuid.UUID, sections map[uuid.UUID]uuid.UUID, p api.RecordExamResultsParams) (int64, error) {
	turned := slices.SortedFunc(maps.Values(sections), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	turned = slices.Compact(turned)
	if err := q.TurnSheets(ctx, paper, turned); err != nil {
		return 0, fmt.Errorf("turn the mark sheets: %w", err)
	}
	version, err := q.SheetVersion(ctx, paper, p.SectionId)
	if err != nil {
		return 0, fmt.Errorf("read the version of the sheet: %w", err)
	}
	return version, requireVersion(p.IfMatch, version-int64(len(turned)))
}

func resultParams(ctx context.Context, exam gendb.Exam, paper uuid.UUID, entries []api.ExamResultEntry) gendb.RecordResultsParams {
	arg := gendb.RecordResultsParams{PaperID: paper, InstitutionID: exam.InstitutionID, GradedBy: auth.From(ctx).User}
	for _, e := range entries {
		arg.StudentIds = append(arg.StudentIds, e.StudentId)
		arg.Absent = append(arg.Absent, *e.Absent)
		arg.Marks = append(arg.Marks, patched(e.Marks, decimal.Zero)) // the statement leaves it out of who is absent
		arg.Remarks = append(arg.Remarks, patched(e.Remark, ""))
	}
	return arg
}

func resultView(r gendb.ListResultsRow) api.ExamResult {
	return api.ExamResult{
		StudentId: r.StudentID, FirstName: r.FirstName, LastName: r.LastName, SectionId: r.SectionID, RollNumber: r.RollNumber,
		Marks: r.Marks, Absent: patched(r.Absent, false), Remark: r.Remark, GradedBy: r.GradedBy, GradedAt: r.GradedAt,
	}
}
