package floor

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Limits of a list, as the service has them.
const (
	pageSize = 20
	mostRows = 10_001 // that are counted
)

// List reads the first students of a section, and counts all.
func List(ctx context.Context, q *gendb.Queries, section uuid.UUID) (Page, error) {
	total, err := q.CountStudents(ctx, gendb.CountStudentsParams{SectionID: &section, Most: mostRows})
	if err != nil {
		return Page{}, fmt.Errorf("count: %w", err)
	}
	rows, err := q.ListStudentsByName(ctx, gendb.ListStudentsByNameParams{SectionID: &section, RowLimit: pageSize + 1})
	return Page{Data: rows[:min(len(rows), pageSize)], Total: total}, err
}

// Admit writes user, student, enrollment and event, after the statements by which the service checks that it may.
func Admit(ctx context.Context, q *gendb.Queries, a api.StudentAdmission, newID func() uuid.UUID) (gendb.StudentRecord, error) {
	if err := askForAdmission(ctx, q, a); err != nil {
		return gendb.StudentRecord{}, err
	}
	student := newID()
	if err := writeAdmission(ctx, q, a, student, newID); err != nil {
		return gendb.StudentRecord{}, err
	}
	if err := emit(ctx, q, newID(), api.EventTypeStudentAdmitted, student, map[string]any{"studentId": student}); err != nil {
		return gendb.StudentRecord{}, err
	}
	records, err := q.GetStudents(ctx, []uuid.UUID{student})
	if err != nil || len(records) != 1 {
		return gendb.StudentRecord{}, fmt.Errorf("read the student back, found %d: %w", len(records), err)
	}
	return records[0], nil
}

// askForAdmission asks what the service asks, and does not look at the answers.
func askForAdmission(ctx context.Context, q *gendb.Queries, a api.StudentAdmission) error {
	if _, err := q.PlacesForAdmission(ctx, gendb.PlacesForAdmissionParams{
		InstitutionIds: []uuid.UUID{a.InstitutionId}, AcademicYearIds: []uuid.UUID{a.AcademicYearId},
		ClassIds: []uuid.UUID{a.ClassId}, SectionIds: []uuid.UUID{a.SectionId},
	}); err != nil {
		return fmt.Errorf("places: %w", err)
	}
	if _, err := q.TakenIdentifiers(ctx, gendb.TakenIdentifiersParams{
		AdmissionNumbers: []string{a.AdmissionNumber}, InstitutionIds: []uuid.UUID{a.InstitutionId}, Emails: []string{orEmpty(a.Email)},
		AadharDigests: [][]byte{nil}, RollNumbers: []int32{0}, AcademicYearIds: []uuid.UUID{a.AcademicYearId}, SectionIds: []uuid.UUID{a.SectionId},
	}); err != nil {
		return fmt.Errorf("identifiers: %w", err)
	}
	_, err := q.TakenPlaces(ctx, gendb.TakenPlacesParams{
		AcademicYearIds: []uuid.UUID{a.AcademicYearId}, SectionIds: []uuid.UUID{a.SectionId},
	})
	return err
}

func writeAdmission(ctx context.Context, q *gendb.Queries, a api.StudentAdmission, student uuid.UUID, newID func() uuid.UUID) error {
	user := newID()
	if _, err := db.RunBatch(q.AdmitUsers(ctx, []gendb.AdmitUsersParams{
		{ID: user, Email: a.Email, FirstName: a.FirstName, LastName: a.LastName},
	})); err != nil {
		return fmt.Errorf("user: %w", err)
	}
	if _, err := db.RunBatch(q.AdmitStudents(ctx, []gendb.AdmitStudentsParams{{
		ID: student, UserID: user, InstitutionID: a.InstitutionId, AdmissionNumber: a.AdmissionNumber,
		FirstName: a.FirstName, LastName: a.LastName, DateOfBirth: a.DateOfBirth, Gender: (*string)(a.Gender),
		Phone: a.Phone, AdmissionDate: *a.AdmissionDate, Address: a.Address, BloodGroup: (*string)(a.BloodGroup),
		CustomFields: json.RawMessage(`{}`),
	}})); err != nil {
		return fmt.Errorf("student: %w", err)
	}
	_, err := db.RunBatch(q.OpenEnrollments(ctx, []gendb.OpenEnrollmentsParams{{
		ID: newID(), StudentID: student, InstitutionID: a.InstitutionId, AcademicYearID: a.AcademicYearId,
		ClassID: a.ClassId, SectionID: a.SectionId, RollNumber: a.RollNumber, StartedOn: *a.AdmissionDate,
	}}))
	return err
}

// Mark takes a register, after the statements by which the service checks that it may, and reads it back.
func Mark(ctx context.Context, q *gendb.Queries, r Register, newID func() uuid.UUID) ([]gendb.ListRegisterRow, error) {
	head, err := q.GetRegister(ctx, r.Date, r.Section)
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	calendars, err := q.CalendarsOn(ctx, gendb.CalendarsOnParams{Date: r.Date, SectionID: &r.Section})
	if err != nil || len(calendars) != 1 {
		return nil, fmt.Errorf("calendar, found %d: %w", len(calendars), err)
	}
	rows := rowsOf(r, head.InstitutionID, calendars[0].AcademicYearID)
	if _, err := q.EnrollmentsForMarks(ctx, gendb.EnrollmentsForMarksParams{Date: r.Date, SectionID: r.Section, StudentIds: rows.StudentIds}); err != nil {
		return nil, fmt.Errorf("enrollments: %w", err)
	}
	if _, err := q.SaveRegister(ctx, gendb.SaveRegisterParams{
		SectionID: r.Section, Date: r.Date, AcademicYearID: calendars[0].AcademicYearID, InstitutionID: head.InstitutionID,
		UserID: r.User, SeenVersion: head.Version,
	}); err != nil {
		return nil, fmt.Errorf("save: %w", err)
	}
	if err := q.MarkStudents(ctx, rows); err != nil {
		return nil, fmt.Errorf("marks: %w", err)
	}
	data := map[string]any{"sectionId": r.Section, "date": r.Date}
	if err := emit(ctx, q, newID(), api.EventTypeAttendanceMarked, r.Section, data); err != nil {
		return nil, err
	}
	if _, err := q.GetRegister(ctx, r.Date, r.Section); err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	return q.ListRegister(ctx, r.Date, r.Section)
}

func rowsOf(r Register, institution, year uuid.UUID) gendb.MarkStudentsParams {
	rows := gendb.MarkStudentsParams{Date: r.Date, SectionID: r.Section, InstitutionID: institution, UserID: r.User}
	for _, m := range r.Marks {
		rows.StudentIds = append(rows.StudentIds, m.StudentId)
		rows.AcademicYearIds = append(rows.AcademicYearIds, year)
		rows.Statuses = append(rows.Statuses, string(m.Status))
		rows.Notes = append(rows.Notes, orEmpty(m.Note))
	}
	return rows
}

func emit(ctx context.Context, q *gendb.Queries, id uuid.UUID, what api.EventType, subject uuid.UUID, data any) error {
	raw, err := json.Marshal([]any{map[string]any{"id": id, "type": what, "subject": subject, "data": data}})
	if err != nil {
		return err
	}
	return q.EmitEvents(ctx, raw)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
