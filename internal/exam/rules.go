package exam

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/shopspring/decimal"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/etag"
)

// places is how many decimal places a percentage has. Marks are exact; only a quotient is rounded, here and nowhere else.
const places = 2

// percentageOf is part of whole in percent, rounded half up to two places. The whole is above zero.
func percentageOf(part, whole decimal.Decimal) decimal.Decimal {
	return part.Shift(2).DivRound(whole, places)
}

// band is a grade: from its minimum up to the minimum of the band above.
type band struct {
	name    string
	minimum decimal.Decimal // percent
	points  *decimal.Decimal
}

// scale are the bands of an institution, the best first. The last one begins at 0, so every percentage is in one of them.
type scale []band

// newScale sorts bands, so that nothing can lie between two of them or in both.
func newScale(bands []band) scale {
	s := scale(slices.Clone(bands))
	slices.SortFunc(s, func(a, b band) int { return b.minimum.Cmp(a.minimum) })
	return s
}

// grade is the band of a percentage, as it is shown: rounded.
func (s scale) grade(percentage decimal.Decimal) band {
	for _, b := range s {
		if percentage.GreaterThanOrEqual(b.minimum) {
			return b
		}
	}
	return s[len(s)-1]
}

// defaultScale is that of an institution which has set none: the nine grades of India's Central Board of Secondary
// Education (CBSE, Examination Bye-Laws, nine-point scale of scholastic areas) with their grade points.
var defaultScale = newScale([]band{
	{"A1", decimal.New(91, 0), points(10)},
	{"A2", decimal.New(81, 0), points(9)},
	{"B1", decimal.New(71, 0), points(8)},
	{"B2", decimal.New(61, 0), points(7)},
	{"C1", decimal.New(51, 0), points(6)},
	{"C2", decimal.New(41, 0), points(5)},
	{"D", decimal.New(33, 0), points(4)},
	{"E1", decimal.New(21, 0), points(0)},
	{"E2", decimal.Zero, points(0)},
})

func points(n int64) *decimal.Decimal { return new(decimal.New(n, 0)) }

// scaleFaults says what keeps bands from covering 0 to 100 once: two that begin at the same percentage, however it is
// written, and none that begins at 0.
func scaleFaults(bands []band) []apperr.Field {
	var faults []apperr.Field
	covered := len(bands) == 0
	for i, b := range bands {
		covered = covered || b.minimum.IsZero()
		if slices.ContainsFunc(bands[:i], func(other band) bool { return other.minimum.Equal(b.minimum) }) {
			faults = append(faults, apperr.BodyField("unique", "Another band begins here", "bands", i, "minPercentage"))
		}
	}
	if !covered {
		faults = append(faults, apperr.BodyField("coverage", "One band must begin at 0", "bands"))
	}
	return faults
}

// sitting is a paper as one student met it: with marks, or absent.
type sitting struct {
	maxMarks, weight decimal.Decimal
	marks            *decimal.Decimal // nil: absent
}

// total is what the papers of one student add up to. Absence is not zero marks: a paper that was not sat counts in neither
// sum, and who missed one has neither an overall grade nor a rank.
type total struct {
	marks, maxMarks decimal.Decimal // of the papers sat, each times its weight; exact
	absences        int
}

func totalOf(sittings []sitting) total {
	var t total
	for _, s := range sittings {
		if s.marks == nil {
			t.absences++
			continue
		}
		t.marks = t.marks.Add(s.marks.Mul(s.weight))
		t.maxMarks = t.maxMarks.Add(s.maxMarks.Mul(s.weight))
	}
	return t
}

// hasSat is whether there is anything to take a percentage of.
func (t total) hasSat() bool { return t.maxMarks.IsPositive() }

// isComplete is whether the student sat every paper, and so can be graded and ranked as a whole.
func (t total) isComplete() bool { return t.absences == 0 && t.hasSat() }

func (t total) percentage() decimal.Decimal { return percentageOf(t.marks, t.maxMarks) }

// compare orders complete totals by their exact share of the maximum, without dividing: a percentage is rounded, and two
// that look alike may not be.
func (t total) compare(other total) int {
	return t.marks.Mul(other.maxMarks).Cmp(other.marks.Mul(t.maxMarks))
}

// ranks are the places of totals among each other, from 1; 0 is no rank. Equal ones share the better place, and the places
// that they take up are left out: 1, 2, 2, 4.
func ranks(totals []total) []int32 {
	var order []int
	for i, t := range totals {
		if t.isComplete() {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return totals[b].compare(totals[a]) })
	places := make([]int32, len(totals))
	for at, i := range order {
		places[i] = int32(at + 1)
		if at > 0 && totals[i].compare(totals[order[at-1]]) == 0 {
			places[i] = places[order[at-1]]
		}
	}
	return places
}

// classAndYear are the places of an exam; one that does not exist is nil.
func classAndYear(places []gendb.PlaceOfExamRow) (class, year *gendb.PlaceOfExamRow) {
	for i, p := range places {
		if p.Kind == "class" {
			class = &places[i]
		} else {
			year = &places[i]
		}
	}
	return class, year
}

// placeFaults says why a class and a year cannot have an exam: they must exist, and be of one institution.
func placeFaults(class, year *gendb.PlaceOfExamRow) []apperr.Field {
	var faults []apperr.Field
	if class == nil {
		faults = append(faults, apperr.BodyField("reference", "Does not exist", "classId"))
	}
	if year == nil {
		faults = append(faults, apperr.BodyField("reference", "Does not exist", "academicYearId"))
	}
	if class != nil && year != nil && class.InstitutionID != year.InstitutionID {
		faults = append(faults, apperr.BodyField("reference", "Does not belong to the institution of the year", "classId"))
	}
	return faults
}

// dayFaults says which of an exam's days is not in its year. Which comes first is the table's to check.
func dayFaults(year *gendb.PlaceOfExamRow, start, end openapi_types.Date) []apperr.Field {
	var faults []apperr.Field
	if year == nil {
		return nil
	}
	for _, day := range []struct {
		name string
		on   openapi_types.Date
	}{{"startDate", start}, {"endDate", end}} {
		if day.on.Before(year.StartDate.Time) || day.on.After(year.EndDate.Time) {
			faults = append(faults, apperr.BodyField("outside", "Is not in the academic year", day.name))
		}
	}
	return faults
}

// refuseDeletion lets only a draft without results go, and says what it is otherwise.
func refuseDeletion(status api.ExamStatus, results int64) error {
	var faults []apperr.Field
	add := func(code, message string) {
		faults = append(faults, apperr.Field{In: apperr.Path, Field: "examId", Code: code, Message: message})
	}
	if status != api.ExamStatusDraft {
		add("step", "Is "+string(status)+"; only a draft can be deleted")
	}
	if results > 0 {
		add("inUse", fmt.Sprintf("Is in use by exam results: %d", results))
	}
	return apperr.ConflictFields(faults)
}

// entryFaults says of each entry why it cannot be a result of a paper: all of them at once. sections says in which section
// each student sat the exam; who is not in it did not.
func entryFaults(entries []api.ExamResultEntry, maxMarks decimal.Decimal, sections map[uuid.UUID]uuid.UUID, section *uuid.UUID) []apperr.Field {
	var faults []apperr.Field
	add := func(i int, field, code, message string) {
		faults = append(faults, apperr.BodyField(code, message, "results", i, field))
	}
	for i, e := range entries {
		at, known := sections[e.StudentId]
		switch {
		case !known:
			add(i, "studentId", "reference", "Is not enrolled in the class of this exam")
		case section != nil && at != *section:
			add(i, "studentId", "reference", "Is not in this section")
		}
		switch {
		case e.Marks == nil && !*e.Absent:
			add(i, "marks", "required", "Give marks, or say absent")
		case e.Marks != nil && *e.Absent:
			add(i, "marks", "excludes", "Who is absent has no marks")
		case e.Marks != nil && e.Marks.GreaterThan(maxMarks):
			add(i, "marks", "maximum", "At most "+maxMarks.String())
		}
	}
	return faults
}

// requireVersion holds what is there against If-Match, where it was sent.
func requireVersion(ifMatch *string, version int64) error {
	if ifMatch == nil || etag.MatchesStrongly(*ifMatch, etag.Of(version)) {
		return nil
	}
	return apperr.New(apperr.PreconditionFailed, "It has changed since it was read. Read it again.")
}
