package attendance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/etag"
	"github.com/rollcall-erp/rollcall/internal/outbox"
)

// register is a register as it is read: its head, and its students.
type register struct {
	head  gendb.GetRegisterRow
	marks []api.RegisterEntry
}

// GetRegister reads the register of a section and day, or says that nothing has changed since the client's ETag.
func (h *Handler) GetRegister(ctx context.Context, request api.GetRegisterRequestObject) (api.GetRegisterResponseObject, error) {
	opts := db.Options{ReadOnly: true, Isolation: db.RepeatableRead} // the version and the marks of the same moment
	r, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), opts, func(ctx context.Context, q *db.Queries) (register, error) {
		return readRegister(ctx, q, request.SectionId, request.Date)
	})
	if err != nil {
		return nil, err
	}
	tag := etag.Of(r.head.Version)
	if request.Params.IfNoneMatch != nil && etag.MatchesWeakly(*request.Params.IfNoneMatch, tag) {
		return api.GetRegister304Response{Headers: api.GetRegister304ResponseHeaders{ETag: tag}}, nil
	}
	return api.GetRegister200JSONResponse{
		Body: registerView(r, request.Date), Headers: api.GetRegister200ResponseHeaders{ETag: tag},
	}, nil
}

// MarkAttendance writes marks of a register.
func (h *Handler) MarkAttendance(ctx context.Context, request api.MarkAttendanceRequestObject) (api.MarkAttendanceResponseObject, error) {
	r, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (register, error) {
		head, err := q.GetRegister(ctx, request.Date, request.SectionId)
		if err != nil {
			return register{}, err
		}
		if err := mark(ctx, q, head, request); err != nil {
			return register{}, err
		}
		return readBack(ctx, q, request)
	})
	if err != nil {
		return nil, err
	}
	return api.MarkAttendance200JSONResponse{
		Body: registerView(r, request.Date), Headers: api.MarkAttendance200ResponseHeaders{ETag: etag.Of(r.head.Version)},
	}, nil
}

// mark moves a register on from the version that was read, and writes the marks.
func mark(ctx context.Context, q *db.Queries, head gendb.GetRegisterRow, request api.MarkAttendanceRequestObject) error {
	ifMatch := request.Params.IfMatch
	if ifMatch != nil && !etag.MatchesStrongly(*ifMatch, etag.Of(head.Version)) {
		return errStale
	}
	year, rows, err := check(ctx, q, head, request.Date, request.Body.Marks)
	if err != nil {
		return err
	}
	rows.UserID = auth.From(ctx).User
	_, err = q.SaveRegister(ctx, gendb.SaveRegisterParams{
		SectionID: head.SectionID, Date: request.Date, AcademicYearID: year, InstitutionID: head.InstitutionID,
		UserID: rows.UserID, SeenVersion: head.Version,
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows) && ifMatch != nil:
		return errStale
	case errors.Is(err, pgx.ErrNoRows):
		return errSavedMeanwhile
	case err != nil:
		return fmt.Errorf("save the register: %w", err)
	}
	if err := q.MarkStudents(ctx, rows); err != nil {
		return fmt.Errorf("write the marks: %w", err)
	}
	return outbox.Emit(ctx, q, outbox.Event{
		Type: api.EventTypeAttendanceMarked, Subject: head.SectionID, Data: registerMarked{head.SectionID, request.Date},
	})
}

// registerMarked says which register to read.
type registerMarked struct {
	SectionID uuid.UUID          `json:"sectionId"`
	Date      openapi_types.Date `json:"date"`
}

var (
	errStale          = apperr.New(apperr.PreconditionFailed, "The register has changed since it was read. Read it again.")
	errSavedMeanwhile = apperr.New(apperr.Conflict, "Somebody else saved this register at the same time. Read it, and save again.")
)

// check holds the marks against the day and the students, and reports every fault at once. It gives the academic year of the
// day and the rows to be written.
func check(ctx context.Context, q *db.Queries, head gendb.GetRegisterRow, date openapi_types.Date, marks []api.MarkInput) (uuid.UUID, gendb.MarkStudentsParams, error) {
	rows := gendb.MarkStudentsParams{Date: date, SectionID: head.SectionID, InstitutionID: head.InstitutionID}
	calendars, err := q.CalendarsOn(ctx, date, &head.InstitutionID)
	if err != nil {
		return uuid.Nil, rows, fmt.Errorf("read the calendar: %w", err)
	}
	if len(calendars) != 1 {
		return uuid.Nil, rows, apperr.New(apperr.NotFound, "")
	}
	d, err := dayOf(calendars[0], date)
	if err != nil {
		return uuid.Nil, rows, err
	}
	candidates, err := candidatesFor(ctx, q, head.SectionID, date, marks)
	if err != nil {
		return uuid.Nil, rows, err
	}
	faults := d.faults()
	for i, m := range marks {
		year, code, message := candidates[m.StudentId].place(head.SectionID, date)
		if code != "" {
			faults = append(faults, apperr.BodyField(code, message, "marks", i, "studentId"))
		}
		rows.StudentIds = append(rows.StudentIds, m.StudentId)
		rows.AcademicYearIds = append(rows.AcademicYearIds, year)
		rows.Statuses = append(rows.Statuses, string(m.Status))
		rows.Notes = append(rows.Notes, noteOf(m))
	}
	return calendars[0].AcademicYearID, rows, apperr.InvalidFields(faults)
}

// noteOf is the note of a mark; none is the empty one, which no client can send.
func noteOf(m api.MarkInput) string {
	if m.Note == nil {
		return ""
	}
	return *m.Note
}

func dayOf(c gendb.CalendarsOnRow, date openapi_types.Date) (day, error) {
	today, err := todayIn(c.TimeZone, time.Now())
	if err != nil {
		return day{}, fmt.Errorf("the time zone of an institution: %w", err)
	}
	return day{
		date: date, today: today, inYear: c.AcademicYearID != uuid.Nil, hasTerms: c.HasTerms, inTerm: c.InTerm,
		holiday: c.Holiday, workingDays: c.WorkingDays,
	}, nil
}

func candidatesFor(ctx context.Context, q *db.Queries, section uuid.UUID, date openapi_types.Date, marks []api.MarkInput) (map[uuid.UUID]candidate, error) {
	students := make([]uuid.UUID, len(marks))
	for i, m := range marks {
		students[i] = m.StudentId
	}
	rows, err := q.EnrollmentsForMarks(ctx, gendb.EnrollmentsForMarksParams{Date: date, SectionID: section, StudentIds: students})
	if err != nil {
		return nil, fmt.Errorf("read the enrollments: %w", err)
	}
	candidates := make(map[uuid.UUID]candidate, len(students))
	for _, r := range rows {
		c := candidates[r.StudentID]
		c.markedIn = r.MarkedIn
		c.enrollments = append(c.enrollments, enrollment{
			year: r.AcademicYearID, yearStart: r.StartDate, yearEnd: r.EndDate, startedOn: r.StartedOn, endedOn: r.EndedOn, status: r.Status,
		})
		candidates[r.StudentID] = c
	}
	return candidates, nil
}

func readRegister(ctx context.Context, q *db.Queries, section uuid.UUID, date openapi_types.Date) (register, error) {
	head, err := q.GetRegister(ctx, date, section)
	if err != nil {
		return register{}, err
	}
	rows, err := q.ListRegister(ctx, date, section)
	if err != nil {
		return register{}, fmt.Errorf("list the register: %w", err)
	}
	return register{head, entriesOf(rows, date)}, nil
}

// entriesOf are the students who attend on the day or are marked, each once: one who left the section and came back has two
// enrollments in it.
func entriesOf(rows []gendb.ListRegisterRow, date openapi_types.Date) []api.RegisterEntry {
	entries := make([]api.RegisterEntry, 0, len(rows))
	seen := make(map[uuid.UUID]bool, len(rows))
	for _, r := range rows {
		e := enrollment{yearStart: r.StartDate, yearEnd: r.EndDate, startedOn: r.StartedOn, endedOn: r.EndedOn, status: r.EnrollmentStatus}
		if seen[r.ID] || r.Status == nil && !e.attends(date) {
			continue
		}
		seen[r.ID] = true
		entries = append(entries, api.RegisterEntry{
			StudentId: r.ID, FirstName: r.FirstName, LastName: r.LastName, RollNumber: r.RollNumber, Status: statusOf(r.Status),
			Note: r.Note, MarkedBy: r.MarkedBy, MarkedAt: r.MarkedAt, Corrections: corrections(r.Version),
		})
	}
	return entries
}

// readBack reads what was written. A student who was put into the register of another section meanwhile has no mark here.
func readBack(ctx context.Context, q *db.Queries, request api.MarkAttendanceRequestObject) (register, error) {
	r, err := readRegister(ctx, q, request.SectionId, request.Date)
	if err != nil {
		return r, err
	}
	marked := make(map[uuid.UUID]bool, len(r.marks))
	for _, m := range r.marks {
		marked[m.StudentId] = m.Status != nil
	}
	for _, m := range request.Body.Marks {
		if !marked[m.StudentId] {
			return r, errSavedMeanwhile
		}
	}
	return r, nil
}

func registerView(r register, date openapi_types.Date) api.Register {
	return api.Register{
		SectionId: r.head.SectionID, Date: date, IsTaken: r.head.Version > 0, TakenBy: r.head.TakenBy, TakenAt: r.head.TakenAt,
		UpdatedBy: r.head.UpdatedBy, UpdatedAt: r.head.UpdatedAt, Marks: r.marks,
	}
}
