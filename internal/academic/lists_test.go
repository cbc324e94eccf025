package academic_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// row is what the lists have in common: an id, and a text whose order is the list's.
type row struct {
	order string
	id    uuid.UUID
}

// list is one of the five, so that all are held to the same requirements.
type list struct {
	name string
	// parents makes two rows by which the list is filtered; nil where there is no filter.
	parents func(t *testing.T, s school) [2]uuid.UUID
	// add makes a row at a place of the list; the same place of two parents is a tie.
	add  func(s school, parent uuid.UUID, place int) error
	list func(s school, p page.Parameters, parent *uuid.UUID) ([]row, api.PageInfo, error)
	// descending is true when the later id comes first where the sort values are equal.
	descending bool
}

func twoInstitutions(t *testing.T, s school) [2]uuid.UUID {
	t.Helper()
	return [2]uuid.UUID{s.institution(t, unique("One")).Id, s.institution(t, unique("Two")).Id}
}

func twoClasses(t *testing.T, s school) [2]uuid.UUID {
	t.Helper()
	institution := s.institution(t, unique("One")).Id
	return [2]uuid.UUID{s.class(t, institution, 1, "Grade 1").Id, s.class(t, institution, 2, "Grade 2").Id}
}

// places are from 0 to 99.
const places = 100

func placeName(place int) string { return fmt.Sprintf("Place %03d", place) }

var lists = []list{
	{
		name: "institutions",
		add: func(s school, _ uuid.UUID, place int) error {
			_, err := s.CreateInstitution(s.ctx, api.CreateInstitutionRequestObject{Body: &api.InstitutionCreate{
				Name: fmt.Sprintf("%s %06d", placeName(place), serial.Add(1)), Code: unique("I"), TimeZone: new("Asia/Kolkata"), IsActive: new(true),
			}})
			return err
		},
		list: func(s school, p page.Parameters, _ *uuid.UUID) ([]row, api.PageInfo, error) {
			r, err := s.ListInstitutions(s.ctx, api.ListInstitutionsRequestObject{Params: api.ListInstitutionsParams{
				Page: p.Page, Limit: p.Limit, Cursor: p.Cursor, Sort: new(api.ListInstitutionsParamsSortName),
			}})
			if err != nil {
				return nil, api.PageInfo{}, err
			}
			l := r.(api.ListInstitutions200JSONResponse)
			return rows(l.Data, func(i api.Institution) row { return row{i.Name, i.Id} }), l.Page, nil
		},
	},
	{
		name: "academic years", parents: twoInstitutions, descending: true,
		add: func(s school, parent uuid.UUID, place int) error {
			_, err := s.CreateAcademicYear(s.ctx, api.CreateAcademicYearRequestObject{Body: yearOf(parent, 2000+places-place, false)})
			return err
		},
		list: func(s school, p page.Parameters, parent *uuid.UUID) ([]row, api.PageInfo, error) {
			r, err := s.ListAcademicYears(s.ctx, api.ListAcademicYearsRequestObject{Params: api.ListAcademicYearsParams{
				Page: p.Page, Limit: p.Limit, Cursor: p.Cursor, InstitutionId: parent, Sort: new(api.ListAcademicYearsParamsSortMinusStartDate),
			}})
			if err != nil {
				return nil, api.PageInfo{}, err
			}
			l := r.(api.ListAcademicYears200JSONResponse)
			return rows(l.Data, func(y api.AcademicYear) row { return row{placeName(3000 - y.StartDate.Year()), y.Id} }), l.Page, nil
		},
	},
	{
		name: "classes", parents: twoInstitutions,
		add: func(s school, parent uuid.UUID, place int) error {
			_, err := s.CreateClass(s.ctx, api.CreateClassRequestObject{Body: &api.SchoolClassCreate{
				InstitutionId: parent, GradeLevel: int32(place/10 - 3), Name: placeName(place), IsActive: new(true),
			}})
			return err
		},
		list: func(s school, p page.Parameters, parent *uuid.UUID) ([]row, api.PageInfo, error) {
			r, err := s.ListClasses(s.ctx, api.ListClassesRequestObject{Params: api.ListClassesParams{
				Page: p.Page, Limit: p.Limit, Cursor: p.Cursor, InstitutionId: parent, Sort: new(api.ListClassesParamsSortGradeLevel),
			}})
			if err != nil {
				return nil, api.PageInfo{}, err
			}
			l := r.(api.ListClasses200JSONResponse)
			return rows(l.Data, func(c api.SchoolClass) row { return row{fmt.Sprintf("%02d %s", c.GradeLevel+3, c.Name), c.Id} }), l.Page, nil
		},
	},
	{
		name: "sections", parents: twoClasses,
		add: func(s school, parent uuid.UUID, place int) error {
			_, err := s.CreateSection(s.ctx, api.CreateSectionRequestObject{Body: &api.SectionCreate{
				ClassId: parent, Name: placeName(place), Capacity: 40, IsActive: new(true),
			}})
			return err
		},
		list: func(s school, p page.Parameters, parent *uuid.UUID) ([]row, api.PageInfo, error) {
			r, err := s.ListSections(s.ctx, api.ListSectionsRequestObject{Params: api.ListSectionsParams{
				Page: p.Page, Limit: p.Limit, Cursor: p.Cursor, ClassId: parent, Sort: new(api.ListSectionsParamsSortName),
			}})
			if err != nil {
				return nil, api.PageInfo{}, err
			}
			l := r.(api.ListSections200JSONResponse)
			return rows(l.Data, func(x api.Section) row { return row{x.Name, x.Id} }), l.Page, nil
		},
	},
	{
		name: "subjects", parents: twoInstitutions,
		add: func(s school, parent uuid.UUID, place int) error {
			_, err := s.CreateSubject(s.ctx, api.CreateSubjectRequestObject{Body: &api.SubjectCreate{
				InstitutionId: parent, Name: placeName(place), Code: unique("S"), IsActive: new(true),
			}})
			return err
		},
		list: func(s school, p page.Parameters, parent *uuid.UUID) ([]row, api.PageInfo, error) {
			r, err := s.ListSubjects(s.ctx, api.ListSubjectsRequestObject{Params: api.ListSubjectsParams{
				Page: p.Page, Limit: p.Limit, Cursor: p.Cursor, InstitutionId: parent, Sort: new(api.ListSubjectsParamsSortName),
			}})
			if err != nil {
				return nil, api.PageInfo{}, err
			}
			l := r.(api.ListSubjects200JSONResponse)
			return rows(l.Data, func(x api.Subject) row { return row{x.Name, x.Id} }), l.Page, nil
		},
	},
}

func rows[T any](data []T, of func(T) row) []row {
	all := make([]row, len(data))
	for i, d := range data {
		all[i] = of(d)
	}
	return all
}

func firstPage(limit int) page.Parameters { return page.Parameters{Page: new(int32(1)), Limit: &limit} }

// compare is the order of the list.
func (l list) compare(a, b row) int {
	ids := slices.Compare(a.id[:], b.id[:])
	if l.descending {
		ids = -ids
	}
	return cmp.Or(cmp.Compare(a.order, b.order), ids)
}

// fill makes rows under two parents, in no order, with the places from 40 to 40+n-1 in each.
func (l list) fill(t *testing.T, s school, n int) [2]uuid.UUID {
	t.Helper()
	var parents [2]uuid.UUID
	if l.parents != nil {
		parents = l.parents(t, s)
	}
	for _, parent := range parents {
		for _, i := range rand.Perm(n) {
			require.NoError(t, l.add(s, parent, 40+i))
		}
	}
	return parents
}

// walk follows nextCursor to the end.
func (l list) walk(t *testing.T, s school, limit int, parent *uuid.UUID) []row {
	t.Helper()
	var all []row
	for p := firstPage(limit); ; {
		some, info, err := l.list(s, p, parent)
		require.NoError(t, err)
		assert.Equal(t, p.Cursor == nil, info.Page != nil, "a page has a number only when asked for by number")
		all = append(all, some...)
		require.Less(t, len(all), 1000, "the list has no end")
		if info.NextCursor == nil {
			return all
		}
		require.Len(t, some, limit, "only the last page may be short")
		p.Cursor = info.NextCursor
	}
}

// leaf turns the pages by number.
func (l list) leaf(t *testing.T, s school, limit int) []row {
	t.Helper()
	var all []row
	for number := int32(1); ; number++ {
		some, info, err := l.list(s, page.Parameters{Page: &number, Limit: &limit}, nil)
		require.NoError(t, err)
		require.NotNil(t, info.Page)
		assert.Equal(t, number, *info.Page)
		all = append(all, some...)
		if int64(number) == info.TotalPages {
			return all
		}
	}
}
