package student

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// mostGuardians is how many a student can have; the list is one page of so many.
const mostGuardians = 4

// ListGuardians lists a student's guardians.
func (h *Handler) ListGuardians(ctx context.Context, request api.ListGuardiansRequestObject) (api.ListGuardiansResponseObject, error) {
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.ReadOnly, func(ctx context.Context, _ *db.Queries) (rows []gendb.ListGuardiansRow, err error) {
		err = db.Together(db.Last(ctx),
			func(ctx context.Context, q *db.Queries) error {
				_, err := q.StudentExists(ctx, request.StudentId)
				return err
			},
			func(ctx context.Context, q *db.Queries) (err error) {
				rows, err = q.ListGuardians(ctx, request.StudentId)
				return err
			})
		return rows, err
	})
	if err != nil {
		return nil, err
	}
	return api.ListGuardians200JSONResponse(guardianList(rows)), nil
}

// ReplaceGuardians makes the given guardians the student's guardians.
func (h *Handler) ReplaceGuardians(ctx context.Context, request api.ReplaceGuardiansRequestObject) (api.ReplaceGuardiansResponseObject, error) {
	rows, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) ([]gendb.ListGuardiansRow, error) {
		if _, err := lockForChange(ctx, q, request.StudentId, nil); err != nil {
			return nil, err
		}
		if err := replaceGuardians(ctx, q, request.StudentId, request.Body.Guardians); err != nil {
			return nil, err
		}
		return q.ListGuardians(ctx, request.StudentId)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceGuardians200JSONResponse(guardianList(rows)), nil
}

func replaceGuardians(ctx context.Context, q *db.Queries, student uuid.UUID, wanted []api.GuardianUpdate) error {
	present, err := q.ListGuardians(ctx, student)
	if err != nil {
		return fmt.Errorf("list guardians: %w", err)
	}
	plan, faults := planGuardians(student, present, wanted)
	if err := apperr.InvalidFields(faults); err != nil {
		return err
	}
	if err := q.UnlinkGuardians(ctx, student, plan.drop); err != nil {
		return fmt.Errorf("unlink guardians: %w", err)
	}
	if err := q.DemoteGuardians(ctx, student); err != nil {
		return fmt.Errorf("demote the primary guardian: %w", err)
	}
	if err := run("guardians", q.UpdateGuardians(ctx, plan.update), nowhere); err != nil {
		return err
	}
	if err := createGuardians(ctx, q, plan.create, plan.link); err != nil {
		return err
	}
	if err := q.DeleteLoneGuardians(ctx, plan.drop); err != nil {
		return fmt.Errorf("delete guardians: %w", err)
	}
	return emit(ctx, q, api.EventTypeStudentUpdated, student)
}

// guardianPlan is what a replacement does to the tables.
type guardianPlan struct {
	create []gendb.CreateGuardiansParams
	update []gendb.UpdateGuardiansParams
	link   []gendb.LinkGuardiansParams
	drop   []uuid.UUID // of this student no more; deleted when nobody's
}

// planGuardians compares the present guardians with the wanted ones. An id must be one of the present ones, and once.
func planGuardians(student uuid.UUID, present []gendb.ListGuardiansRow, wanted []api.GuardianUpdate) (guardianPlan, []apperr.Field) {
	left := map[uuid.UUID]bool{}
	for _, g := range present {
		left[g.ID] = true
	}
	var plan guardianPlan
	var faults []apperr.Field
	primary := make([]bool, len(wanted))
	for i, g := range wanted {
		primary[i] = *g.IsPrimary
		if g.Id != nil && !left[*g.Id] {
			faults = append(faults, apperr.BodyField("reference", "Is no guardian of this student", "guardians", i, "id"))
			continue
		}
		id := plan.place(g)
		delete(left, id)
		plan.link = append(plan.link, gendb.LinkGuardiansParams{
			StudentID: student, GuardianID: id, Relationship: string(g.Relationship), IsPrimary: *g.IsPrimary,
			Position: int16(i),
		})
	}
	for id := range left {
		plan.drop = append(plan.drop, id)
	}
	return plan, append(faults, primaryFaults(primary)...)
}

// place plans a new guardian, or the change of a present one.
func (p *guardianPlan) place(g api.GuardianUpdate) uuid.UUID {
	if g.Id != nil {
		p.update = append(p.update, gendb.UpdateGuardiansParams{
			ID: *g.Id, FirstName: g.FirstName, LastName: g.LastName, Email: g.Email, Phone: g.Phone,
		})
		return *g.Id
	}
	id := uuid.Must(uuid.NewV7())
	p.create = append(p.create, gendb.CreateGuardiansParams{
		ID: id, FirstName: g.FirstName, LastName: g.LastName, Email: g.Email, Phone: g.Phone,
	})
	return id
}

func guardianList(rows []gendb.ListGuardiansRow) api.GuardianList {
	data := make([]api.Guardian, len(rows))
	for i, r := range rows {
		data[i] = api.Guardian{
			Id: r.ID, FirstName: r.FirstName, LastName: r.LastName, Relationship: api.Relationship(r.Relationship),
			Email: r.Email, Phone: r.Phone, IsPrimary: r.IsPrimary,
		}
	}
	return api.GuardianList{Data: data, Page: page.Whole(len(rows), mostGuardians)}
}
