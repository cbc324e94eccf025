package exam

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/outbox"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// mostVersions is how often an exam can be published, the corrections included.
const mostVersions = 100

// Publication is what is said of a publishing itself.
type Publication struct {
	By      uuid.UUID
	Version int32
	Reason  *string // of a correction
	scale   scale
}

// publishFirst publishes version 1, graded by the institution's scale as it is now.
func publishFirst(ctx context.Context, q *db.Queries, exam gendb.Exam) error {
	if err := requireWholeClass(ctx, exam); err != nil {
		return err
	}
	return Publish(ctx, q, exam, Publication{By: auth.From(ctx).User, Version: 1})
}

// publishCorrection publishes the next version, graded by the scale of the one before.
func publishCorrection(ctx context.Context, q *db.Queries, exam gendb.Exam, reason string) error {
	if err := requireWholeClass(ctx, exam); err != nil {
		return err
	}
	last, err := q.LatestPublication(ctx, exam.ID)
	if err != nil {
		return fmt.Errorf("read the latest publication: %w", err)
	}
	if last.Version >= mostVersions {
		return apperr.New(apperr.Conflict, fmt.Sprintf("The exam has %d versions already; there can be no more.", mostVersions))
	}
	var bands []api.GradingBand
	if err := json.Unmarshal(last.Scale, &bands); err != nil {
		return fmt.Errorf("read the scale of the publication: %w", err)
	}
	return Publish(ctx, q, exam, Publication{By: auth.From(ctx).User, Version: last.Version + 1, Reason: &reason, scale: newScale(bandsOf(bands))})
}

// requireWholeClass refuses to publish what the caller sees only a part of: a teacher's sections are not the class.
func requireWholeClass(ctx context.Context, exam gendb.Exam) error {
	if auth.Scope(ctx).Reaches(exam.InstitutionID) {
		return nil
	}
	return apperr.New(apperr.Forbidden, "Publishing and correcting concerns the whole class; this needs the permission for its whole institution.")
}

// Publish writes a report card of everybody who has a result, as they are now, as a version of its own. The caller has locked
// the exam, sees all of it, and passes the version that is next.
func Publish(ctx context.Context, q *db.Queries, exam gendb.Exam, p Publication) error {
	book, err := readGradeBook(ctx, q, exam.ID)
	if err != nil {
		return err
	}
	if p.scale == nil {
		if p.scale, _, err = scaleOf(ctx, q, exam.InstitutionID); err != nil {
			return err
		}
	}
	if lacking := book.missing(); lacking != "" {
		return apperr.WithFields(apperr.Conflict, apperr.BodyField("incomplete", "Results are missing in "+lacking, "status"))
	}
	cards := book.cards(p.scale)
	if len(cards) == 0 {
		return apperr.WithFields(apperr.Conflict, apperr.BodyField("incomplete", "There are no results", "status"))
	}
	if err := writeCards(ctx, q, exam, p, cards); err != nil {
		return err
	}
	return outbox.Emit(ctx, q, outbox.Event{
		Type: api.EventTypeResultsPublished, Subject: exam.ID, Data: resultsPublished{ExamID: exam.ID, Version: p.Version},
	})
}

// resultsPublished says which report cards to read.
type resultsPublished struct {
	ExamID  uuid.UUID `json:"examId"`
	Version int32     `json:"version"`
}

func readGradeBook(ctx context.Context, q *db.Queries, exam uuid.UUID) (gradeBook, error) {
	papers, err := q.ListPapers(ctx, exam)
	if err != nil {
		return gradeBook{}, fmt.Errorf("list the papers: %w", err)
	}
	takers, err := q.ListTakers(ctx, exam)
	if err != nil {
		return gradeBook{}, fmt.Errorf("list who takes the exam: %w", err)
	}
	results, err := q.ExamResults(ctx, exam)
	if err != nil {
		return gradeBook{}, fmt.Errorf("read the results: %w", err)
	}
	attendance, err := q.AttendanceOfTakers(ctx, exam)
	if err != nil {
		return gradeBook{}, fmt.Errorf("read the attendance: %w", err)
	}
	return newGradeBook(papers, takers, results, attendance), nil
}

func writeCards(ctx context.Context, q *db.Queries, exam gendb.Exam, p Publication, cards []card) error {
	bands, err := json.Marshal(bandsView(p.scale))
	if err != nil {
		return fmt.Errorf("write the scale down: %w", err)
	}
	written := gendb.CreatePublicationParams{
		ID: uuid.Must(uuid.NewV7()), ExamID: exam.ID, InstitutionID: exam.InstitutionID, Version: p.Version, Reason: p.Reason,
		PublishedBy: p.By, Scale: bands,
	}
	publishedAt, err := q.CreatePublication(ctx, written)
	if err != nil {
		return fmt.Errorf("create the publication: %w", err)
	}
	params := make([]gendb.CreateReportCardsParams, len(cards))
	for i, c := range cards {
		if params[i], err = c.row(p.scale); err != nil {
			return fmt.Errorf("write a report card down: %w", err)
		}
		params[i].PublicationID, params[i].Version, params[i].PublishedAt = written.ID, p.Version, publishedAt
		params[i].InstitutionID, params[i].AcademicYearID, params[i].ClassID = exam.InstitutionID, exam.AcademicYearID, exam.ClassID
		params[i].ExamID, params[i].ExamName, params[i].StartDate, params[i].EndDate = exam.ID, exam.Name, exam.StartDate, exam.EndDate
	}
	if _, err := db.RunBatch(q.CreateReportCards(ctx, params)); err != nil {
		return fmt.Errorf("write the report cards: %w", err)
	}
	return nil
}

// row is what a card says of its student.
func (c card) row(s scale) (gendb.CreateReportCardsParams, error) {
	subjects, err := json.Marshal(c.subjects)
	if err != nil {
		return gendb.CreateReportCardsParams{}, err
	}
	var attendance json.RawMessage
	if c.attendance != nil {
		if attendance, err = json.Marshal(c.attendance); err != nil {
			return gendb.CreateReportCardsParams{}, err
		}
	}
	v := c.verdict(s)
	return gendb.CreateReportCardsParams{
		StudentID: c.student, SectionID: c.section, Subjects: subjects, Attendance: attendance, Absences: int32(c.total.absences),
		TotalMarks: c.total.marks, TotalMaxMarks: c.total.maxMarks, Percentage: v.percentage, Grade: v.grade, Points: v.points, Rank: v.rank,
	}, nil
}

type versionKey struct{ Version int32 }

// ListExamPublications lists the published versions of an exam, the latest first.
func (h *Handler) ListExamPublications(ctx context.Context, request api.ListExamPublicationsRequestObject) (api.ListExamPublicationsResponseObject, error) {
	p := request.Params
	data, info, err := page.List[versionKey, gendb.ListPublicationsRow, api.ExamPublication]{
		Name:       "exam-publications",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    request.ExamId,
		Parent: func(ctx context.Context, q *db.Queries) error {
			_, err := q.GetExam(ctx, request.ExamId)
			return err
		},
		Rows: func(ctx context.Context, q *db.Queries, r page.Request[versionKey]) ([]gendb.ListPublicationsRow, error) {
			arg := gendb.ListPublicationsParams{ExamID: request.ExamId, RowLimit: r.RowLimit(), RowOffset: r.RowOffset()}
			if r.After != nil {
				arg.AfterVersion = &r.After.Version
			}
			return q.ListPublications(ctx, arg)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountPublications(ctx, request.ExamId, page.CountLimit())
		},
		Key: func(row gendb.ListPublicationsRow) versionKey { return versionKey{row.Version} },
		View: func(row gendb.ListPublicationsRow) api.ExamPublication {
			return api.ExamPublication{Version: row.Version, Reason: row.Reason, PublishedBy: row.PublishedBy, PublishedAt: row.PublishedAt}
		},
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListExamPublications200JSONResponse{Data: data, Page: info}, nil
}
