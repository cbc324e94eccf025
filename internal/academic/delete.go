package academic

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// DeleteInstitution deletes an institution that nothing refers to.
func (h *Handler) DeleteInstitution(ctx context.Context, request api.DeleteInstitutionRequestObject) (api.DeleteInstitutionResponseObject, error) {
	err := remove(ctx, h.DB, target{"institutions", "institutionId", request.InstitutionId}, (*db.Queries).LockInstitution, (*db.Queries).DeleteInstitution)
	return api.DeleteInstitution204Response{}, err
}

// DeleteAcademicYear deletes an academic year that nothing refers to.
func (h *Handler) DeleteAcademicYear(ctx context.Context, request api.DeleteAcademicYearRequestObject) (api.DeleteAcademicYearResponseObject, error) {
	err := remove(ctx, h.DB, target{"academic_years", "academicYearId", request.AcademicYearId}, (*db.Queries).LockAcademicYear, (*db.Queries).DeleteAcademicYear)
	return api.DeleteAcademicYear204Response{}, err
}

// DeleteClass deletes a class that nothing refers to.
func (h *Handler) DeleteClass(ctx context.Context, request api.DeleteClassRequestObject) (api.DeleteClassResponseObject, error) {
	err := remove(ctx, h.DB, target{"classes", "classId", request.ClassId}, (*db.Queries).LockClass, (*db.Queries).DeleteClass)
	return api.DeleteClass204Response{}, err
}

// DeleteSection deletes a section that nothing refers to.
func (h *Handler) DeleteSection(ctx context.Context, request api.DeleteSectionRequestObject) (api.DeleteSectionResponseObject, error) {
	err := remove(ctx, h.DB, target{"sections", "sectionId", request.SectionId}, (*db.Queries).LockSection, (*db.Queries).DeleteSection)
	return api.DeleteSection204Response{}, err
}

// DeleteSubject deletes a subject that nothing refers to.
func (h *Handler) DeleteSubject(ctx context.Context, request api.DeleteSubjectRequestObject) (api.DeleteSubjectResponseObject, error) {
	err := remove(ctx, h.DB, target{"subjects", "subjectId", request.SubjectId}, (*db.Queries).LockSubject, (*db.Queries).DeleteSubject)
	return api.DeleteSubject204Response{}, err
}

// target is a row that somebody wants to delete, and the parameter of the path that names it.
type target struct {
	table, parameter string
	id               uuid.UUID
}

// remove deletes a row that nothing refers to. lock keeps it as it is: what would refer to it meanwhile waits, and then
// does not find it.
func remove[R any](ctx context.Context, d *db.DB, t target,
	lock func(*db.Queries, context.Context, uuid.UUID) (R, error), del func(*db.Queries, context.Context, uuid.UUID) error,
) error {
	return d.InTx(ctx, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		if _, err := lock(q, ctx, t.id); err != nil {
			return err
		}
		raw, err := q.UsesOf(ctx, t.table, t.id)
		if err != nil {
			return fmt.Errorf("look for what refers to it: %w", err)
		}
		var uses map[string]int
		if err := json.Unmarshal(raw, &uses); err != nil {
			return fmt.Errorf("read what refers to it: %w", err)
		}
		if len(uses) > 0 {
			return inUse(t.parameter, uses)
		}
		return del(q, ctx, t.id)
	})
}

// inUse is the answer about a row that rows of other tables refer to, so many of each.
func inUse(parameter string, uses map[string]int) error {
	e := &apperr.Error{Kind: apperr.Conflict}
	parts := make([]string, 0, len(uses))
	for _, table := range slices.Sorted(maps.Keys(uses)) {
		part := fmt.Sprintf("%s: %d", strings.ReplaceAll(table, "_", " "), uses[table])
		parts = append(parts, part)
		e.Fields = append(e.Fields, apperr.Field{In: apperr.Path, Field: parameter, Code: "inUse", Message: "Is in use by " + part})
	}
	e.Detail = "In use by " + strings.Join(parts, ", ") + ". Make it inactive instead."
	return e
}
