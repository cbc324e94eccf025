package exam

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// mostPapers is how many an exam can have; the list is one page of so many.
const mostPapers = 30

// ListExamPapers lists an exam's papers.
func (h *Handler) ListExamPapers(ctx context.Context, request api.ListExamPapersRequestObject) (api.ListExamPapersResponseObject, error) {
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.ReadOnly, func(ctx context.Context, q *db.Queries) ([]gendb.ListPapersRow, error) {
		if _, err := q.GetExam(ctx, request.ExamId); err != nil {
			return nil, err
		}
		return q.ListPapers(ctx, request.ExamId)
	})
	if err != nil {
		return nil, err
	}
	return api.ListExamPapers200JSONResponse(paperList(rows)), nil
}

// ReplaceExamPapers makes the given papers the exam's papers.
func (h *Handler) ReplaceExamPapers(ctx context.Context, request api.ReplaceExamPapersRequestObject) (api.ReplaceExamPapersResponseObject, error) {
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) ([]gendb.ListPapersRow, error) {
		row, err := q.LockExam(ctx, request.ExamId)
		if err != nil {
			return nil, err
		}
		if err := mayChangePapers(row, request.Body.Papers); err != nil {
			return nil, err
		}
		if err := replacePapers(ctx, q, row, request.Body.Papers); err != nil {
			return nil, err
		}
		return q.ListPapers(ctx, row.ID)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceExamPapers200JSONResponse(paperList(rows)), nil
}

// mayChangePapers is nil before the exam is completed; and a scheduled one keeps at least one paper.
func mayChangePapers(exam gendb.Exam, wanted []api.ExamPaperInput) error {
	switch api.ExamStatus(exam.Status) {
	case api.ExamStatusCompleted, api.ExamStatusPublished:
		return apperr.New(apperr.Conflict, "The exam is "+exam.Status+": its papers stay as they are.")
	case api.ExamStatusScheduled:
		if len(wanted) == 0 {
			return apperr.New(apperr.Conflict, "The exam is scheduled: it needs a paper. Make it a draft first.")
		}
	case api.ExamStatusDraft:
	}
	return nil
}

func replacePapers(ctx context.Context, q *db.Queries, exam gendb.Exam, wanted []api.ExamPaperInput) error {
	subjects := make([]uuid.UUID, len(wanted))
	for i, p := range wanted {
		subjects[i] = p.SubjectId
	}
	if err := checkPapers(ctx, q, exam, wanted, subjects); err != nil {
		return err
	}
	if err := q.DeleteSheets(ctx, exam.ID, subjects); err != nil {
		return fmt.Errorf("delete mark sheets: %w", err)
	}
	if err := q.DeletePapers(ctx, exam.ID, subjects); err != nil {
		return fmt.Errorf("delete papers: %w", err)
	}
	if _, err := db.RunBatch(q.WritePapers(ctx, paperParams(exam, wanted))); err != nil {
		return fmt.Errorf("write papers: %w", err)
	}
	return nil
}

func checkPapers(ctx context.Context, q *db.Queries, exam gendb.Exam, wanted []api.ExamPaperInput, subjects []uuid.UUID) error {
	present, err := q.ListPapers(ctx, exam.ID)
	if err != nil {
		return fmt.Errorf("list papers: %w", err)
	}
	found, err := q.SubjectsForPapers(ctx, subjects, exam.InstitutionID)
	if err != nil {
		return fmt.Errorf("look for the subjects: %w", err)
	}
	if err := apperr.InvalidFields(inputFaults(exam, wanted, found)); err != nil {
		return err
	}
	return apperr.ConflictFields(gradedFaults(present, wanted))
}

// inputFaults says of each paper why there cannot be such a one: its subject must exist and its day be one of the exam's.
func inputFaults(exam gendb.Exam, wanted []api.ExamPaperInput, subjects []uuid.UUID) []apperr.Field {
	var faults []apperr.Field
	for i, p := range wanted {
		if !slices.Contains(subjects, p.SubjectId) {
			faults = append(faults, apperr.BodyField("reference", "Is no active subject of the institution", "papers", i, "subjectId"))
		}
		if p.HeldOn != nil && (p.HeldOn.Before(exam.StartDate.Time) || p.HeldOn.After(exam.EndDate.Time)) {
			faults = append(faults, apperr.BodyField("outside", "Is not between the exam's first and last day", "papers", i, "heldOn"))
		}
	}
	return faults
}

// gradedFaults lets papers that have results stay as they are: what the marks count.
func gradedFaults(present []gendb.ListPapersRow, wanted []api.ExamPaperInput) []apperr.Field {
	var faults []apperr.Field
	for _, p := range present {
		if !p.HasResults {
			continue
		}
		i := slices.IndexFunc(wanted, func(w api.ExamPaperInput) bool { return w.SubjectId == p.SubjectID })
		if i < 0 {
			faults = append(faults, apperr.BodyField("inUse", p.SubjectName+" has results", "papers"))
			continue
		}
		if !wanted[i].MaxMarks.Equal(p.MaxMarks) {
			faults = append(faults, apperr.BodyField("inUse", "Has results; stays "+p.MaxMarks.String(), "papers", i, "maxMarks"))
		}
		if !wanted[i].Weight.Equal(p.Weight) {
			faults = append(faults, apperr.BodyField("inUse", "Has results; stays "+p.Weight.String(), "papers", i, "weight"))
		}
	}
	return faults
}

func paperParams(exam gendb.Exam, wanted []api.ExamPaperInput) []gendb.WritePapersParams {
	params := make([]gendb.WritePapersParams, len(wanted))
	for i, p := range wanted {
		params[i] = gendb.WritePapersParams{
			ID: uuid.Must(uuid.NewV7()), ExamID: exam.ID, InstitutionID: exam.InstitutionID, SubjectID: p.SubjectId,
			MaxMarks: p.MaxMarks, Weight: *p.Weight, HeldOn: p.HeldOn, IsElective: *p.IsElective, Position: int16(i),
		}
	}
	return params
}

func paperList(rows []gendb.ListPapersRow) api.ExamPaperList {
	data := make([]api.ExamPaper, len(rows))
	for i, r := range rows {
		data[i] = api.ExamPaper{
			SubjectId: r.SubjectID, SubjectName: r.SubjectName, MaxMarks: r.MaxMarks, Weight: r.Weight, HeldOn: r.HeldOn, IsElective: r.IsElective,
		}
	}
	return api.ExamPaperList{Data: data, Page: page.Whole(len(rows), mostPapers)}
}
