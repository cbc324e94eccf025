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
	users := make([]uuid.UUID, len(request.Body.Teachers))
	for i, t := range request.Body.Teachers {
		users[i] = t.UserId
	}
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) ([]gendb.ListTeachersRow, error) {
		if _, err := q.LockSection(ctx, request.SectionId); err != nil {
			return nil, err
		}
		if err := assign(ctx, q, request.SectionId, users); err != nil {
			return nil, err
		}
		return q.ListTeachers(ctx, request.SectionId)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceTeachers200JSONResponse(teacherList(rows)), nil
}

func assign(ctx context.Context, q *db.Queries, section uuid.UUID, users []uuid.UUID) error {
	active, err := q.ActiveUsers(ctx, users)
	if err != nil {
		return fmt.Errorf("look for the users: %w", err)
	}
	var faults []apperr.Field
	for i, user := range users {
		if !slices.Contains(active, user) {
			faults = append(faults, apperr.BodyField("reference", "Is no active user", "teachers", i, "userId"))
		}
	}
	if err := apperr.InvalidFields(faults); err != nil {
		return err
	}
	if err := q.DismissTeachers(ctx, section, users); err != nil {
		return fmt.Errorf("dismiss teachers: %w", err)
	}
	if err := q.AssignTeachers(ctx, section, users); err != nil {
		return fmt.Errorf("assign teachers: %w", err)
	}
	return nil
}

func teacherList(rows []gendb.ListTeachersRow) api.TeacherList {
	data := make([]api.Teacher, len(rows))
	for i, r := range rows {
		data[i] = api.Teacher{UserId: r.ID, FirstName: r.FirstName, LastName: r.LastName}
	}
	return api.TeacherList{Data: data, Page: page.Whole(len(rows), mostTeachers)}
}
