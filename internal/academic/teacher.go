package academic

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

// mostTeachers is how many a section can have; the list is one page of so many.
const mostTeachers = 20

// ListTeachers lists the teachers of a section.
func (h *Handler) ListTeachers(ctx context.Context, request api.ListTeachersRequestObject) (api.ListTeachersResponseObject, error) {
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.ReadOnly, func(ctx context.Context, q *db.Queries) ([]gendb.ListTeachersRow, error) {
		if _, err := q.GetSection(ctx, request.SectionId); err != nil {
			return nil, err
		}
		return q.ListTeachers(ctx, request.SectionId)
	})
	if err != nil {
		return nil, err
	}
	return api.ListTeachers200JSONResponse(teacherList(rows)), nil
}

// ReplaceTeachers makes the given users the teachers of a section, and with it the only ones who see it as such.
func (h *Handler) ReplaceTeachers(ctx context.Context, request api.ReplaceTeachersRequestObject) (api.ReplaceTeachersResponseObject, error) {
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) ([]gendb.ListTeachersRow, error) {
		if _, err := q.LockSection(ctx, request.SectionId); err != nil {
			return nil, err
		}
		if err := assign(ctx, q, request.SectionId, request.Body.Teachers); err != nil {
			return nil, err
		}
		return q.ListTeachers(ctx, request.SectionId)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceTeachers200JSONResponse(teacherList(rows)), nil
}

func assign(ctx context.Context, q *db.Queries, section uuid.UUID, teachers []api.TeacherAssignment) error {
	rows := assignmentsOf(section, teachers)
	if err := checkAssignments(ctx, q, teachers, rows); err != nil {
		return err
	}
	if err := q.RemoveSubjectAssignments(ctx, section); err != nil {
		return fmt.Errorf("remove subjects: %w", err)
	}
	if err := q.DismissTeachers(ctx, section, rows.users); err != nil {
		return fmt.Errorf("dismiss teachers: %w", err)
	}
	if err := q.AssignTeachers(ctx, section, rows.users); err != nil {
		return fmt.Errorf("assign teachers: %w", err)
	}
	if err := q.AssignSubjects(ctx, rows.subjects); err != nil {
		return fmt.Errorf("assign subjects: %w", err)
	}
	return nil
}

// assignments are the rows of a section's teachers: the users, and a pair of user and subject for each subject.
type assignments struct {
	users    []uuid.UUID
	subjects gendb.AssignSubjectsParams
}

func assignmentsOf(section uuid.UUID, teachers []api.TeacherAssignment) assignments {
	rows := assignments{users: make([]uuid.UUID, len(teachers)), subjects: gendb.AssignSubjectsParams{SectionID: section}}
	for i, t := range teachers {
		rows.users[i] = t.UserId
		for _, subject := range patched(t.SubjectIds, nil) {
			rows.subjects.UserIds = append(rows.subjects.UserIds, t.UserId)
			rows.subjects.SubjectIds = append(rows.subjects.SubjectIds, subject)
		}
	}
	return rows
}

// checkAssignments reports every user who is not there, and every subject that the section's institution does not teach.
func checkAssignments(ctx context.Context, q *db.Queries, teachers []api.TeacherAssignment, rows assignments) error {
	users, err := q.ActiveUsers(ctx, rows.users)
	if err != nil {
		return fmt.Errorf("look for the users: %w", err)
	}
	subjects, err := q.ActiveSubjectsOfSection(ctx, rows.subjects.SubjectIds, rows.subjects.SectionID)
	if err != nil {
		return fmt.Errorf("look for the subjects: %w", err)
	}
	var faults []apperr.Field
	for i, t := range teachers {
		if !slices.Contains(users, t.UserId) {
			faults = append(faults, apperr.BodyField("reference", "Is no active user", "teachers", i, "userId"))
		}
		for j, subject := range patched(t.SubjectIds, nil) {
			if !slices.Contains(subjects, subject) {
				faults = append(faults, apperr.BodyField("reference", "Is no active subject of the institution", "teachers", i, "subjectIds", j))
			}
		}
	}
	return apperr.InvalidFields(faults)
}

func teacherList(rows []gendb.ListTeachersRow) api.TeacherList {
	data := make([]api.Teacher, len(rows))
	for i, r := range rows {
		data[i] = api.Teacher{UserId: r.ID, FirstName: r.FirstName, LastName: r.LastName, SubjectIds: r.SubjectIds}
	}
	return api.TeacherList{Data: data, Page: page.Whole(len(rows), mostTeachers)}
}
