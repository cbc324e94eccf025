package student

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
	"github.com/rollcall-erp/rollcall/internal/etag"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
)

// AdmitStudent admits one student.
func (h *Handler) AdmitStudent(ctx context.Context, request api.AdmitStudentRequestObject) (api.AdmitStudentResponseObject, error) {
	batch, err := h.prepare(ctx, []api.StudentAdmission{*request.Body})
	if err != nil {
		return nil, err
	}
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.AdmitStudentResponseObject.VisitAdmitStudentResponse,
		func(ctx context.Context, _ *db.Queries) (api.AdmitStudentResponseObject, error) {
			records, err := admit(ctx, batch, nowhere)
			if err != nil {
				return nil, err
			}
			return api.AdmitStudent201JSONResponse{
				Body: studentOf(records[0]),
				Headers: api.AdmitStudent201ResponseHeaders{
					Location: "/v1/students/" + records[0].ID.String(), ETag: etag.Of(records[0].Version),
				},
			}, nil
		})
}

// AdmitStudents admits up to a hundred students, all or none.
func (h *Handler) AdmitStudents(ctx context.Context, request api.AdmitStudentsRequestObject) (api.AdmitStudentsResponseObject, error) {
	batch, err := h.prepare(ctx, request.Body.Students)
	if err != nil {
		return nil, err
	}
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.AdmitStudentsResponseObject.VisitAdmitStudentsResponse,
		func(ctx context.Context, _ *db.Queries) (api.AdmitStudentsResponseObject, error) {
			records, err := admit(ctx, batch, func(i int) []any { return []any{"students", i} })
			if err != nil {
				return nil, err
			}
			data := make([]api.Student, len(records))
			for i, r := range records {
				data[i] = studentOf(r)
			}
			return api.AdmitStudents201JSONResponse{Data: data}, nil
		})
}

// place says where in the body the i-th admission stands, so that its faults are named there.
type place func(i int) []any

// admission is one admission with everything that is known before the transaction.
type admission struct {
	api.StudentAdmission
	student, user uuid.UUID
	aadhar        SealedAadhar
}

// admit checks and then writes users, students, enrollments, guardians and events: two round trips, for one admission and for
// a hundred.
func admit(ctx context.Context, batch []admission, at place) ([]gendb.StudentRecord, error) {
	places, err := check(ctx, batch, at)
	if err != nil {
		return nil, err
	}
	return write(ctx, batch, places, at)
}

// prepare is what can be done and asked before the transaction.
func (h *Handler) prepare(ctx context.Context, in []api.StudentAdmission) ([]admission, error) {
	if err := mayOverbook(ctx, in); err != nil {
		return nil, err
	}
	tenant := auth.From(ctx).Tenant
	batch := make([]admission, len(in))
	for i, a := range in {
		student := uuid.Must(uuid.NewV7())
		batch[i] = admission{
			StudentAdmission: a, student: student, user: uuid.Must(uuid.NewV7()),
			aadhar: SealAadhar(h.Box, tenant, student, a.AadharNumber),
		}
	}
	return batch, nil
}

// stored is what a batch is held against.
type stored struct {
	places      []gendb.PlacesForAdmissionRow
	identifiers []gendb.TakenIdentifiersRow
	seats       map[seat]int64
}

// look reads it. The places come first, since reading them locks the sections: whoever counts their students has waited for the
// admissions before.
func look(ctx context.Context, batch []admission) (s stored, err error) {
	p := placesOf(batch)
	err = db.Together(ctx,
		func(ctx context.Context, q *db.Queries) (err error) {
			s.places, err = q.PlacesForAdmission(ctx, p)
			return err
		},
		func(ctx context.Context, q *db.Queries) (err error) {
			s.identifiers, err = q.TakenIdentifiers(ctx, identifiersOf(batch))
			return err
		},
		func(ctx context.Context, q *db.Queries) (err error) {
			s.seats, err = takenSeats(ctx, q, gendb.TakenPlacesParams{AcademicYearIds: p.AcademicYearIds, SectionIds: p.SectionIds})
			return err
		})
	if err != nil {
		return s, fmt.Errorf("look places and identifiers up: %w", err)
	}
	return s, nil
}

// check holds a batch against what is stored, and reports every fault of every admission: as invalid when any of it
// could never be admitted, as a conflict when only identifiers are taken.
func check(ctx context.Context, batch []admission, at place) (catalogue, error) {
	s, err := look(ctx, batch)
	if err != nil {
		return nil, err
	}
	places := newCatalogue(s.places)
	var faults []apperr.Field
	for i, a := range batch {
		faults = append(faults, apperr.Under(a.faults(places), at(i)...)...)
	}
	conflicts := fullSections(batch, places, s.seats, at)
	for _, t := range s.identifiers {
		used := apperr.BodyField("unique", "Already in use", t.Field)
		conflicts = append(conflicts, apperr.Under([]apperr.Field{used}, at(int(t.Place)-1)...)...)
	}
	if len(faults) > 0 {
		return nil, apperr.InvalidFields(append(faults, conflicts...))
	}
	return places, apperr.ConflictFields(conflicts)
}

func (a admission) faults(places catalogue) []apperr.Field {
	guardians := guardiansOf(a.StudentAdmission)
	primary := make([]bool, len(guardians))
	for i, g := range guardians {
		primary[i] = *g.IsPrimary
	}
	return append(places.faults(a.placement(places)), primaryFaults(primary)...)
}

func (a admission) placement(places catalogue) placement {
	return placement{
		institution: a.InstitutionId, year: a.AcademicYearId, class: a.ClassId, section: a.SectionId,
		from: places.firstDay(a.AcademicYearId, orToday(a.AdmissionDate)),
	}
}

func placesOf(batch []admission) gendb.PlacesForAdmissionParams {
	var p gendb.PlacesForAdmissionParams
	for _, a := range batch {
		p.InstitutionIds = append(p.InstitutionIds, a.InstitutionId)
		p.AcademicYearIds = append(p.AcademicYearIds, a.AcademicYearId)
		p.ClassIds = append(p.ClassIds, a.ClassId)
		p.SectionIds = append(p.SectionIds, a.SectionId)
	}
	return p
}

// identifiersOf lists what must be unique, one entry an admission; the zero value where there is none.
func identifiersOf(batch []admission) gendb.TakenIdentifiersParams {
	var p gendb.TakenIdentifiersParams
	for _, a := range batch {
		p.AdmissionNumbers = append(p.AdmissionNumbers, a.AdmissionNumber)
		p.InstitutionIds = append(p.InstitutionIds, a.InstitutionId)
		p.Emails = append(p.Emails, orZero(a.Email))
		p.AadharDigests = append(p.AadharDigests, a.aadhar.Digest)
		p.RollNumbers = append(p.RollNumbers, orZero(a.RollNumber))
		p.AcademicYearIds = append(p.AcademicYearIds, a.AcademicYearId)
		p.SectionIds = append(p.SectionIds, a.SectionId)
	}
	return p
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func idsOf(batch []admission) []uuid.UUID {
	ids := make([]uuid.UUID, len(batch))
	for i, a := range batch {
		ids[i] = a.student
	}
	return ids
}

// inOrder reads the admitted students back, in the order of the batch.
func inOrder(ctx context.Context, q *db.Queries, batch []admission) ([]gendb.StudentRecord, error) {
	position := make(map[uuid.UUID]int, len(batch))
	for i, a := range batch {
		position[a.student] = i
	}
	rows, err := q.GetStudents(ctx, idsOf(batch))
	if err != nil {
		return nil, fmt.Errorf("read the students back: %w", err)
	}
	records := make([]gendb.StudentRecord, len(batch))
	for _, r := range rows {
		records[position[r.ID]] = r
	}
	return records, nil
}

// customFields are an admission's own fields; absent is none.
func (a admission) customFields() json.RawMessage {
	if a.CustomFields == nil {
		return json.RawMessage(`{}`)
	}
	return *a.CustomFields
}
