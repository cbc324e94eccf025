package academic_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/academic"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// school is the handlers on a database of the test's own, and a principal of one tenant.
type school struct {
	*academic.Handler

	database *dbtest.Database
	ctx      context.Context
}

func newSchool(t *testing.T) school {
	t.Helper()
	d := dbtest.New(t)
	// Room for ten requests at once, patience on a loaded machine, and no second try, which would hide a deadlock.
	pool := d.Open(t, db.Config{
		MaxConns: 12, Timeout: 30 * time.Second, LockTimeout: 20 * time.Second, Retry: resilience.Policy{Attempts: 1},
	})
	return school{&academic.Handler{DB: pool}, d, nil}.as(t, "asha")
}

// as is the same database for somebody of a new tenant.
func (s school) as(t *testing.T, slug string) school {
	t.Helper()
	s.ctx = auth.With(t.Context(), auth.Principal{Tenant: s.database.Tenant(t, slug).ID}, "")
	return s
}

// got is what a handler answered, as the response that the test expects.
func got[T any](t *testing.T) func(response any, err error) T {
	t.Helper()
	return func(response any, err error) T {
		t.Helper()
		require.NoError(t, err)
		require.IsType(t, *new(T), response)
		return response.(T)
	}
}

// wantFault checks that an error is of a kind and names exactly one field of the body.
func wantFault(t *testing.T, err error, kind apperr.Kind, field, code string) {
	t.Helper()
	var e *apperr.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, kind, e.Kind, "%v", err)
	if assert.Len(t, e.Fields, 1) {
		f := e.Fields[0]
		assert.Equal(t, [...]string{"body", field, "/" + field, code}, [...]string{string(f.In), f.Field, f.Pointer, f.Code})
	}
}

var serial atomic.Int64

// unique is a text that no other row has.
func unique(prefix string) string { return fmt.Sprintf("%s-%d", prefix, serial.Add(1)) }

func date(year int, month time.Month, day int) openapi_types.Date {
	return openapi_types.Date{Time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

func (s school) institution(t *testing.T, name string) api.Institution {
	t.Helper()
	body := api.InstitutionCreate{Name: name, Code: unique("I"), TimeZone: new("Asia/Kolkata"), IsActive: new(true)}
	return got[api.CreateInstitution201JSONResponse](t)(s.CreateInstitution(s.ctx, api.CreateInstitutionRequestObject{Body: &body})).Body
}

// yearOf is a body for a year that begins in April.
func yearOf(institution uuid.UUID, begins int, current bool) *api.AcademicYearCreate {
	return &api.AcademicYearCreate{
		InstitutionId: institution, Name: unique("Y"), StartDate: date(begins, time.April, 1), EndDate: date(begins+1, time.March, 31),
		IsCurrent: new(current), IsActive: new(true),
	}
}

func (s school) year(t *testing.T, body *api.AcademicYearCreate) api.AcademicYear {
	t.Helper()
	return got[api.CreateAcademicYear201JSONResponse](t)(s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: body})).Body
}

func (s school) class(t *testing.T, institution uuid.UUID, grade int32, name string) api.SchoolClass {
	t.Helper()
	body := api.SchoolClassCreate{InstitutionId: institution, Name: name, GradeLevel: grade, IsActive: new(true)}
	return got[api.CreateClass201JSONResponse](t)(s.CreateClass(s.ctx, api.CreateClassRequestObject{Body: &body})).Body
}

func (s school) section(t *testing.T, class uuid.UUID, name string) api.Section {
	t.Helper()
	body := api.SectionCreate{ClassId: class, Name: name, Capacity: 40, IsActive: new(true)}
	return got[api.CreateSection201JSONResponse](t)(s.CreateSection(s.ctx, api.CreateSectionRequestObject{Body: &body})).Body
}

func (s school) subject(t *testing.T, institution uuid.UUID, name string) api.Subject {
	t.Helper()
	body := api.SubjectCreate{InstitutionId: institution, Name: name, Code: unique("S"), IsActive: new(true)}
	return got[api.CreateSubject201JSONResponse](t)(s.CreateSubject(s.ctx, api.CreateSubjectRequestObject{Body: &body})).Body
}

// onID are the operations on one row: each gets, changes or deletes the row of an id.
func onID(s school, id uuid.UUID) map[string]func() (any, error) {
	return map[string]func() (any, error){
		"get institution": func() (any, error) {
			return s.GetInstitution(s.ctx, api.GetInstitutionRequestObject{InstitutionId: id})
		},
		"get academic year": func() (any, error) {
			return s.GetAcademicYear(s.ctx, api.GetAcademicYearRequestObject{AcademicYearId: id})
		},
		"get class":   func() (any, error) { return s.GetClass(s.ctx, api.GetClassRequestObject{ClassId: id}) },
		"get section": func() (any, error) { return s.GetSection(s.ctx, api.GetSectionRequestObject{SectionId: id}) },
		"patch institution": func() (any, error) {
			return s.UpdateInstitution(s.ctx, api.UpdateInstitutionRequestObject{InstitutionId: id, JSONBody: &api.InstitutionPatch{Name: new("Mine")}})
		},
		"patch academic year": func() (any, error) {
			return s.UpdateAcademicYear(s.ctx, api.UpdateAcademicYearRequestObject{AcademicYearId: id, JSONBody: &api.AcademicYearPatch{Name: new("Mine")}})
		},
		"make academic year current": func() (any, error) {
			return s.UpdateAcademicYear(s.ctx, api.UpdateAcademicYearRequestObject{AcademicYearId: id, JSONBody: &api.AcademicYearPatch{IsCurrent: new(true)}})
		},
		"patch class": func() (any, error) {
			return s.UpdateClass(s.ctx, api.UpdateClassRequestObject{ClassId: id, JSONBody: &api.SchoolClassPatch{Name: new("Mine")}})
		},
		"patch section": func() (any, error) {
			return s.UpdateSection(s.ctx, api.UpdateSectionRequestObject{SectionId: id, JSONBody: &api.SectionPatch{Name: new("Mine")}})
		},
		"get subject": func() (any, error) { return s.GetSubject(s.ctx, api.GetSubjectRequestObject{SubjectId: id}) },
		"patch subject": func() (any, error) {
			return s.UpdateSubject(s.ctx, api.UpdateSubjectRequestObject{SubjectId: id, JSONBody: &api.SubjectPatch{Name: new("Mine")}})
		},
		"delete institution": func() (any, error) {
			return s.DeleteInstitution(s.ctx, api.DeleteInstitutionRequestObject{InstitutionId: id})
		},
		"delete academic year": func() (any, error) {
			return s.DeleteAcademicYear(s.ctx, api.DeleteAcademicYearRequestObject{AcademicYearId: id})
		},
		"delete class":   func() (any, error) { return s.DeleteClass(s.ctx, api.DeleteClassRequestObject{ClassId: id}) },
		"delete section": func() (any, error) { return s.DeleteSection(s.ctx, api.DeleteSectionRequestObject{SectionId: id}) },
		"delete subject": func() (any, error) { return s.DeleteSubject(s.ctx, api.DeleteSubjectRequestObject{SubjectId: id}) },
	}
}

func TestAnUnknownIDIsNotFound(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for name, call := range onID(s, uuid.Must(uuid.NewV7())) {
		_, err := call()
		assert.Equal(t, apperr.NotFound, apperr.KindOf(err), name)
	}
}

func TestTheRowsOfAnotherTenantDoNotExist(t *testing.T) {
	t.Parallel()
	asha := newSchool(t)
	other := asha.as(t, "other")
	institution := asha.institution(t, "Asha")
	year := asha.year(t, yearOf(institution.Id, 2026, false))
	class := asha.class(t, institution.Id, 1, "Grade 1")
	section := asha.section(t, class.Id, "A")
	subject := asha.subject(t, institution.Id, "Music")

	for _, id := range []uuid.UUID{institution.Id, year.Id, class.Id, section.Id, subject.Id} {
		for name, call := range onID(other, id) {
			_, err := call()
			assert.Equal(t, apperr.NotFound, apperr.KindOf(err), name)
		}
	}
	for _, l := range lists {
		rows, info, err := l.list(other, firstPage(100), nil)
		require.NoError(t, err, l.name)
		assert.Empty(t, rows, l.name)
		assert.Zero(t, info.Total, l.name)
	}
	assert.Equal(t, section, api.Section(got[api.GetSection200JSONResponse](t)(
		asha.GetSection(asha.ctx, api.GetSectionRequestObject{SectionId: section.Id}))), "nothing was changed")
}

func TestAParentOfAnotherTenantDoesNotExist(t *testing.T) {
	t.Parallel()
	asha := newSchool(t)
	other := asha.as(t, "other")
	institution := asha.institution(t, "Asha")
	class := asha.class(t, institution.Id, 1, "Grade 1")
	testUnknownParents(t, other, institution.Id, class.Id)
}

func TestAParentThatDoesNotExistIsInvalidOnItsField(t *testing.T) {
	t.Parallel()
	testUnknownParents(t, newSchool(t), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()))
}

func testUnknownParents(t *testing.T, s school, institution, class uuid.UUID) {
	t.Helper()
	for _, current := range []bool{false, true} {
		_, err := s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: yearOf(institution, 2026, current)})
		wantFault(t, err, apperr.Invalid, "institutionId", "reference")
	}
	_, err := s.CreateClass(s.ctx, api.CreateClassRequestObject{Body: &api.SchoolClassCreate{
		InstitutionId: institution, Name: "Grade 1", GradeLevel: 1, IsActive: new(true),
	}})
	wantFault(t, err, apperr.Invalid, "institutionId", "reference")
	_, err = s.CreateSubject(s.ctx, api.CreateSubjectRequestObject{Body: &api.SubjectCreate{
		InstitutionId: institution, Name: "Music", Code: "MUS", IsActive: new(true),
	}})
	wantFault(t, err, apperr.Invalid, "institutionId", "reference")
	_, err = s.CreateSection(s.ctx, api.CreateSectionRequestObject{Body: &api.SectionCreate{
		ClassId: class, Name: "A", Capacity: 40, IsActive: new(true),
	}})
	wantFault(t, err, apperr.Invalid, "classId", "reference")
}

func TestTwoTenantsMayUseTheSameNames(t *testing.T) {
	t.Parallel()
	asha := newSchool(t)
	other := asha.as(t, "other")
	body := api.InstitutionCreate{Name: "Main Campus", Code: "MAIN", TimeZone: new("Asia/Kolkata"), IsActive: new(true)}
	for _, s := range []school{asha, other} {
		_, err := s.CreateInstitution(s.ctx, api.CreateInstitutionRequestObject{Body: &body})
		require.NoError(t, err)
	}
}
