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
	r, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), opts, func(ctx context.Context, _ *db.Queries) (r register, err error) {
		err = db.Together(db.Last(ctx), r.read(request.SectionId, request.Date)...)
		return r, err
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
	r, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, _ *db.Queries) (register, error) {
		s, err := look(ctx, request)
		if err != nil {
			return register{}, err
		}
		rows, save, err := prepare(ctx, s, request)
		if err != nil {
			return register{}, err
		}
		return write(ctx, request, rows, save)
	})
	if err != nil {
		return nil, err
	}
	return api.MarkAttendance200JSONResponse{
		Body: registerView(r, request.Date), Headers: api.MarkAttendance200ResponseHeaders{ETag: etag.Of(r.head.Version)},
	}, nil
}

// stored is what marks are held against.
type stored struct {
	head        gendb.GetRegisterRow
	calendars   []gendb.CalendarsOnRow
	enrollments []gendb.EnrollmentsForMarksRow
}

func look(ctx context.Context, request api.MarkAttendanceRequestObject) (s stored, err error) {
	students := make([]uuid.UUID, len(request.Body.Marks))
	for i, m := range request.Body.Marks {
		students[i] = m.StudentId
	}
	err = db.Together(ctx,
		func(ctx context.Context, q *db.Queries) (err error) {
			s.head, err = q.GetRegister(ctx, request.Date, request.SectionId)
			return err
		},
		func(ctx context.Context, q *db.Queries) (err error) {
			s.calendars, err = q.CalendarsOn(ctx, gendb.CalendarsOnParams{Date: request.Date, SectionID: &request.SectionId})
			return err
		},
		func(ctx context.Context, q *db.Queries) (err error) {
			s.enrollments, err = q.EnrollmentsForMarks(ctx, gendb.EnrollmentsForMarksParams{
				Date: request.Date, SectionID: request.SectionId, StudentIds: students,
			})
			return err
		})
	return s, err
}

// prepare holds the marks against what is stored. It gives the rows to be written, and the step from the version that was read.
func prepare(ctx context.Context, s stored, request api.MarkAttendanceRequestObject) (rows gendb.MarkStudentsParams, save gendb.SaveRegisterParams, err error) {
	ifMatch := request.Params.IfMatch
	if ifMatch != nil && !etag.MatchesStrongly(*ifMatch, etag.Of(s.head.Version)) {
		return rows, save, errStale
	}
	year, rows, err := check(s, request.Date, request.Body.Marks)
	rows.UserID = auth.From(ctx).User
	return rows, gendb.SaveRegisterParams{
		SectionID: s.head.SectionID, Date: request.Date, AcademicYearID: year, InstitutionID: s.head.InstitutionID,
		UserID: rows.UserID, SeenVersion: s.head.Version,
	}, err
}

// write moves the register on, writes the marks and reads back what there is then.
func write(ctx context.Context, request api.MarkAttendanceRequestObject, rows gendb.MarkStudentsParams, save gendb.SaveRegisterParams) (r register, err error) {
	pieces := []db.Func{
		func(ctx context.Context, q *db.Queries) error {
			_, err := q.SaveRegister(ctx, save)
			switch {
			case errors.Is(err, pgx.ErrNoRows) && request.Params.IfMatch != nil:
				return errStale
			case errors.Is(err, pgx.ErrNoRows):
				return errSavedMeanwhile
			case err != nil:
				return fmt.Errorf("save the register: %w", err)
			}
			return nil
		},
		func(ctx context.Context, q *db.Queries) error {
			if err := q.MarkStudents(ctx, rows); err != nil {
				return fmt.Errorf("write the marks: %w", err)
			}
			return nil
		},
		func(ctx context.Context, q *db.Queries) error {
			return outbox.Emit(ctx, q, outbox.Event{
				Type: api.EventTypeAttendanceMarked, Subject: save.SectionID, Data: registerMarked{save.SectionID, request.Date},
			})
		},
	}
	if err := db.Together(ctx, append(pieces, r.read(request.SectionId, request.Date)...)...); err != nil {
		return r, err
	}
	return r, r.holds(request.Body.Marks)
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
func check(s stored, date openapi_types.Date, marks []api.MarkInput) (uuid.UUID, gendb.MarkStudentsParams, error) {
	rows := gendb.MarkStudentsParams{Date: date, SectionID: s.head.SectionID, InstitutionID: s.head.InstitutionID}
	if len(s.calendars) != 1 {
		return uuid.Nil, rows, apperr.New(apperr.NotFound, "")
	}
	d, err := dayOf(s.calendars[0], date)
	if err != nil {
		return uuid.Nil, rows, err
	}
	candidates := candidatesOf(s.enrollments)
	faults := d.faults()
	for i, m := range marks {
		year, code, message := candidates[m.StudentId].place(s.head.SectionID, date)
		if code != "" {
			faults = append(faults, apperr.BodyField(code, message, "marks", i, "studentId"))
		}
		rows.StudentIds = append(rows.StudentIds, m.StudentId)
		rows.AcademicYearIds = append(rows.AcademicYearIds, year)
		rows.Statuses = append(rows.Statuses, string(m.Status))
		rows.Notes = append(rows.Notes, noteOf(m))
	}
	return s.calendars[0].AcademicYearID, rows, apperr.InvalidFields(faults)
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

func candidatesOf(rows []gendb.EnrollmentsForMarksRow) map[uuid.UUID]candidate {
	candidates := make(map[uuid.UUID]candidate, len(rows))
	for _, r := range rows {
		c := candidates[r.StudentID]
		c.markedIn = r.MarkedIn
		c.enrollments = append(c.enrollments, enrollment{
			year: r.AcademicYearID, yearStart: r.StartDate, yearEnd: r.EndDate, startedOn: r.StartedOn, endedOn: r.EndedOn, status: r.Status,
		})
		candidates[r.StudentID] = c
	}
	return candidates
}

// read are the statements that read a register, to run together.
func (r *register) read(section uuid.UUID, date openapi_types.Date) []db.Func {
	return []db.Func{
		func(ctx context.Context, q *db.Queries) (err error) {
			r.head, err = q.GetRegister(ctx, date, section)
			return err
		},
		func(ctx context.Context, q *db.Queries) error {
			rows, err := q.ListRegister(ctx, date, section)
			if err != nil {
				return fmt.Errorf("list the register: %w", err)
			}
			r.marks = entriesOf(rows, date)
			return nil
		},
	}
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

// holds fails when a mark is not there: its student was put into the register of another section meanwhile.
func (r *register) holds(marks []api.MarkInput) error {
	marked := make(map[uuid.UUID]bool, len(r.marks))
	for _, m := range r.marks {
		marked[m.StudentId] = m.Status != nil
	}
	for _, m := range marks {
		if !marked[m.StudentId] {
			return errSavedMeanwhile
		}
	}
	return nil
}

func registerView(r register, date openapi_types.Date) api.Register {
	return api.Register{
		SectionId: r.head.SectionID, Date: date, IsTaken: r.head.Version > 0, TakenBy: r.head.TakenBy, TakenAt: r.head.TakenAt,
		UpdatedBy: r.head.UpdatedBy, UpdatedAt: r.head.UpdatedAt, Marks: r.marks,
	}
}
