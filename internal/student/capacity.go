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
)

// overbook is the permission to take students into a section that is full.
const overbook = "students:overbook"

var errMayNotOverbook = apperr.New(apperr.Forbidden, "To overbook a section needs the permission "+overbook+".")

func mayOverbook(ctx context.Context, in []api.StudentAdmission) error {
	for _, a := range in {
		if *a.Overbook && !auth.From(ctx).MayIn(overbook, a.InstitutionId) {
			return errMayNotOverbook
		}
	}
	return nil
}

// fullSections are the conflicts of a batch with what its sections have room for.
func fullSections(batch []admission, places catalogue, taken map[seat]int64, at place) []apperr.Field {
	var conflicts []apperr.Field
	for i, a := range batch {
		if places[a.SectionId].Kind == "section" && places.take(seat{a.AcademicYearId, a.SectionId}, taken, *a.Overbook) {
			conflicts = append(conflicts, apperr.Under(places.full(a.SectionId), at(i)...)...)
		}
	}
	return conflicts
}

// checkPlace is fullSections for one student who is here already, and does not stand in their own way.
func checkPlace(ctx context.Context, q *db.Queries, places catalogue, student uuid.UUID, s seat, overbook bool) error {
	taken, err := takenSeats(ctx, q, gendb.TakenPlacesParams{
		AcademicYearIds: []uuid.UUID{s.year}, SectionIds: []uuid.UUID{s.section}, ExceptStudentID: student,
	})
	if err != nil {
		return err
	}
	if places.take(s, taken, overbook) {
		return apperr.ConflictFields(places.full(s.section))
	}
	return nil
}

func takenSeats(ctx context.Context, q *db.Queries, arg gendb.TakenPlacesParams) (map[seat]int64, error) {
	rows, err := q.TakenPlaces(ctx, arg)
	if err != nil {
		return nil, fmt.Errorf("count the taken places: %w", err)
	}
	taken := make(map[seat]int64, len(rows))
	for _, r := range rows {
		taken[seat{r.AcademicYearID, r.SectionID}] = r.Taken
	}
	return taken, nil
}

func (c catalogue) full(section uuid.UUID) []apperr.Field {
	return []apperr.Field{apperr.BodyField("capacity", fmt.Sprintf("Is full: it has %d places", c[section].Capacity), "sectionId")}
}
