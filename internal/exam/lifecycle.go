package exam

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/etag"
)

// steps is the life cycle: which statuses can follow one. What is published stays so.
var steps = map[api.ExamStatus][]api.ExamStatus{
	api.ExamStatusDraft:     {api.ExamStatusScheduled},
	api.ExamStatusScheduled: {api.ExamStatusDraft, api.ExamStatusCompleted},
	api.ExamStatusCompleted: {api.ExamStatusScheduled, api.ExamStatusPublished},
	api.ExamStatusPublished: {},
}

// stepFaults refuses a step that the life cycle does not have, and says which ones it has. To stay is no step, except for
// what is published.
func stepFaults(from, to api.ExamStatus) []apperr.Field {
	isFinal := len(steps[from]) == 0
	if from == to && !isFinal || slices.Contains(steps[from], to) {
		return nil
	}
	message := "Is " + string(from) + ", which is final"
	if !isFinal {
		message = "Is " + string(from) + ", and can only become " + words(steps[from])
	}
	return []apperr.Field{apperr.BodyField("step", message, "status")}
}

func words(statuses []api.ExamStatus) string {
	all := make([]string, len(statuses))
	for i, s := range statuses {
		all[i] = string(s)
	}
	return strings.Join(all, " or ")
}

// changeFaults refuses what a patch may not change in this status, its steps included.
func changeFaults(from api.ExamStatus, patch api.ExamPatch) []apperr.Field {
	faults := stepFaults(from, patched(patch.Status, from))
	if from == api.ExamStatusDraft || from == api.ExamStatusScheduled {
		return faults
	}
	for name, isSent := range map[string]bool{"name": patch.Name != nil, "startDate": patch.StartDate != nil, "endDate": patch.EndDate != nil} {
		if isSent {
			faults = append(faults, apperr.BodyField("step", "Is "+string(from)+"; this cannot change any more", name))
		}
	}
	return faults
}

// UpdateExam changes what a merge patch names; to publish is one of the changes.
func (h *Handler) UpdateExam(ctx context.Context, request api.UpdateExamRequestObject) (api.UpdateExamResponseObject, error) {
	patch := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	row, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.Exam, error) {
		row, err := q.LockExam(ctx, request.ExamId)
		if err != nil {
			return row, err
		}
		if err := requireVersion(request.Params.IfMatch, row.Version); err != nil {
			return row, err
		}
		return update(ctx, q, row, *patch)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateExam200JSONResponse{Body: examView(row), Headers: api.UpdateExam200ResponseHeaders{ETag: etag.Of(row.Version)}}, nil
}

func update(ctx context.Context, q *db.Queries, row gendb.Exam, patch api.ExamPatch) (gendb.Exam, error) {
	if err := apperr.ConflictFields(changeFaults(api.ExamStatus(row.Status), patch)); err != nil {
		return row, err
	}
	next := row
	next.Name = patched(patch.Name, row.Name)
	next.StartDate, next.EndDate = patched(patch.StartDate, row.StartDate), patched(patch.EndDate, row.EndDate)
	next.Status = string(patched(patch.Status, api.ExamStatus(row.Status)))
	if err := checkChange(ctx, q, next); err != nil {
		return row, err
	}
	if row.Status != next.Status && next.Status == string(api.ExamStatusPublished) {
		if err := publishFirst(ctx, q, next); err != nil {
			return row, err
		}
	}
	return q.UpdateExam(ctx, gendb.UpdateExamParams{
		ID: row.ID, Name: next.Name, StartDate: next.StartDate, EndDate: next.EndDate, Status: next.Status,
	})
}

// checkChange holds an exam as it is to be against its year and its papers.
func checkChange(ctx context.Context, q *db.Queries, next gendb.Exam) error {
	places, err := q.PlaceOfExam(ctx, next.ClassID, next.AcademicYearID)
	if err != nil {
		return fmt.Errorf("read the year: %w", err)
	}
	_, year := classAndYear(places)
	if err := apperr.InvalidFields(dayFaults(year, next.StartDate, next.EndDate)); err != nil {
		return err
	}
	papers, err := q.ListPapers(ctx, next.ID)
	if err != nil {
		return fmt.Errorf("list the papers: %w", err)
	}
	return apperr.ConflictFields(paperFaults(next, papers))
}

// paperFaults says why an exam cannot be so with these papers.
func paperFaults(next gendb.Exam, papers []gendb.ListPapersRow) []apperr.Field {
	var faults []apperr.Field
	if len(papers) == 0 && next.Status != string(api.ExamStatusDraft) {
		faults = append(faults, apperr.BodyField("papers", "Has no papers yet", "status"))
	}
	for _, p := range papers {
		switch {
		case p.HeldOn == nil:
		case p.HeldOn.Before(next.StartDate.Time):
			return append(faults, apperr.BodyField("inUse", "Is after the paper in "+p.SubjectName, "startDate"))
		case p.HeldOn.After(next.EndDate.Time):
			return append(faults, apperr.BodyField("inUse", "Is before the paper in "+p.SubjectName, "endDate"))
		}
	}
	return faults
}

// patched is the member of a merge patch, or what it was before when the patch leaves it out.
func patched[T any](member *T, before T) T {
	if member == nil {
		return before
	}
	return *member
}
