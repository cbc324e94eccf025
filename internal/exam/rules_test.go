package exam

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

func dec(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// hundredths are decimals with two places between two limits, in hundredths.
func hundredths(from, to int64) *rapid.Generator[decimal.Decimal] {
	return rapid.Map(rapid.Int64Range(from, to), func(n int64) decimal.Decimal { return decimal.New(n, -2) })
}

// drawScale is a valid scale: some bands, one of them at 0.
func drawScale(t *rapid.T) scale {
	minimums := rapid.SliceOfNDistinct(rapid.Int64Range(1, 10_000), 0, 19, rapid.ID).Draw(t, "minimums")
	bands := []band{{name: "0", minimum: decimal.Zero}}
	for _, m := range minimums {
		bands = append(bands, band{name: fmt.Sprint(m), minimum: decimal.New(m, -2)})
	}
	return newScale(bands)
}

func TestGrade_everyPercentageHasOneAndMoreIsNeverWorse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScale(t)
		a, b := hundredths(0, 10_000).Draw(t, "a"), hundredths(0, 10_000).Draw(t, "b")
		if a.GreaterThan(b) {
			a, b = b, a
		}
		low, high := s.grade(a), s.grade(b)
		if low.minimum.GreaterThan(a) {
			t.Fatalf("%s is graded %s", a, low.name)
		}
		if low.minimum.GreaterThan(high.minimum) {
			t.Fatalf("%s is graded better than %s", a, b)
		}
		if i := slices.IndexFunc(s, func(x band) bool { return x.name == low.name }); i > 0 && s[i-1].minimum.LessThanOrEqual(a) {
			t.Fatalf("%s belongs to a better band", a)
		}
	})
}

func TestGrade_theDefaultScaleChangesAtItsMinimums(t *testing.T) {
	t.Parallel()
	require.Empty(t, scaleFaults(defaultScale))
	for percentage, want := range map[string]string{
		"100": "A1", "91": "A1", "90.99": "A2", "81": "A2", "71": "B1", "61": "B2", "51": "C1", "41": "C2", "33": "D", "32.99": "E1", "21": "E1", "20.99": "E2", "0": "E2",
	} {
		assert.Equal(t, want, defaultScale.grade(dec(percentage)).name, percentage)
	}
}

func TestScale_coversEverythingOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		minimums []string
		want     []string
	}{
		"one band":              {[]string{"0"}, nil},
		"in any order":          {[]string{"40", "0", "75.5"}, nil},
		"none, for the default": {nil, nil},
		"nothing begins at 0":   {[]string{"0.01", "40"}, []string{"bands coverage"}},
		"the same place twice":  {[]string{"0", "40", "40.00"}, []string{"bands[2].minPercentage unique"}},
		"0 twice":               {[]string{"0", "0.0"}, []string{"bands[1].minPercentage unique"}},
	} {
		var bands []band
		for _, m := range c.minimums {
			bands = append(bands, band{minimum: dec(m)})
		}
		assert.Equal(t, c.want, brief(scaleFaults(bands)), name)
	}
}

// brief are faults as "field code".
func brief(faults []apperr.Field) (all []string) {
	for _, f := range faults {
		all = append(all, f.Field+" "+f.Code)
	}
	return all
}

func TestPercentage_isRoundedHalfUp(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"1", "3", "33.33"},
		{"2", "3", "66.67"},
		{"1", "8", "12.5"},
		{"0.005", "100", "0.01"},
		{"0.0049", "100", "0"},
		{"33.33", "33.33", "100"},
		{"0", "7", "0"},
		{"89.995", "100", "90"},
		{"89.9949", "100", "89.99"},
	} {
		assert.Equal(t, c[2], percentageOf(dec(c[0]), dec(c[1])).String(), "%s of %s", c[0], c[1])
	}
	rapid.Check(t, func(t *rapid.T) {
		whole := hundredths(1, 1_000_000).Draw(t, "whole")
		part := hundredths(0, whole.Shift(2).IntPart()).Draw(t, "part")
		// floor(part / whole * 10000 + 1/2), on fractions
		exact := new(big.Rat).Mul(new(big.Rat).Quo(part.Rat(), whole.Rat()), big.NewRat(10_000, 1))
		exact.Add(exact, big.NewRat(1, 2))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())
		if got := percentageOf(part, whole).Shift(2); !got.Equal(decimal.NewFromBigInt(want, 0)) {
			t.Fatalf("%s of %s is %s hundredths, not %s", part, whole, got, want)
		}
	})
}

func drawSittings(t *rapid.T) []sitting {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sitting {
		s := sitting{maxMarks: hundredths(1, 999_999).Draw(t, "max"), weight: hundredths(1, 999_999).Draw(t, "weight")}
		if rapid.IntRange(0, 9).Draw(t, "sat") > 0 {
			s.marks = new(hundredths(0, s.maxMarks.Shift(2).IntPart()).Draw(t, "marks"))
		}
		return s
	}), 0, 30).Draw(t, "sittings")
}

func TestTotal_isTheExactSumOfWhatWasSat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sittings := drawSittings(t)
		marks, most, absences := new(big.Rat), new(big.Rat), 0
		for _, s := range sittings {
			if s.marks == nil {
				absences++
				continue
			}
			marks.Add(marks, new(big.Rat).Mul(s.marks.Rat(), s.weight.Rat()))
			most.Add(most, new(big.Rat).Mul(s.maxMarks.Rat(), s.weight.Rat()))
		}
		got := totalOf(sittings)
		if got.marks.Rat().Cmp(marks) != 0 || got.maxMarks.Rat().Cmp(most) != 0 || got.absences != absences {
			t.Fatalf("%+v, not %s of %s without %d", got, marks, most, absences)
		}
		if got.hasSat() && (got.percentage().IsNegative() || got.percentage().GreaterThan(dec("100"))) {
			t.Fatalf("%s percent", got.percentage())
		}
	})
}

func TestTotal_doesNotAddAsFloatsDo(t *testing.T) {
	t.Parallel()
	sat := func(marks string) sitting { return sitting{dec("33.33"), dec("1"), new(dec(marks))} }
	assert.Equal(t, "0.3", totalOf([]sitting{sat("0.1"), sat("0.2")}).marks.String())
	assert.Equal(t, "99.99", totalOf([]sitting{sat("33.33"), sat("33.33"), sat("33.33")}).maxMarks.String())
	thousand := slices.Repeat([]sitting{sat("0.01")}, 1000)
	assert.Equal(t, "10", totalOf(thousand).marks.String())
}

func TestTotal_absenceIsNotZero(t *testing.T) {
	t.Parallel()
	zero := totalOf([]sitting{{dec("50"), dec("1"), new(dec("40"))}, {dec("50"), dec("1"), new(dec("0"))}})
	absent := totalOf([]sitting{{dec("50"), dec("1"), new(dec("40"))}, {dec("50"), dec("1"), nil}})
	assert.Equal(t, "40", zero.percentage().String())
	assert.True(t, zero.isComplete())
	assert.Equal(t, "80", absent.percentage().String())
	assert.False(t, absent.isComplete())
	assert.False(t, totalOf([]sitting{{dec("50"), dec("1"), nil}}).hasSat(), "there is nothing to take a percentage of")
}

func drawTotals(t *rapid.T) []total {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) total {
		most := rapid.SampledFrom([]int64{100, 200, 300}).Draw(t, "max") // so that shares are often equal
		return total{
			marks: decimal.New(rapid.Int64Range(0, most/50).Draw(t, "marks")*50, 0), maxMarks: decimal.New(most, 0),
			absences: rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "absences"),
		}
	}), 0, 40).Draw(t, "totals")
}

func TestRanks_countThoseAhead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		totals := drawTotals(t)
		for i, got := range ranks(totals) {
			want := int32(0)
			if totals[i].isComplete() {
				want = 1
				for _, other := range totals {
					if other.isComplete() && other.compare(totals[i]) > 0 {
						want++ // 1, 2, 2, 4: everybody ahead counts, and who is level does not
					}
				}
			}
			if got != want {
				t.Fatalf("number %d has rank %d, not %d", i, got, want)
			}
		}
	})
}

func TestRanks_doNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		totals := drawTotals(t)
		order := rapid.Permutation(indices(len(totals))).Draw(t, "order")
		shuffled := make([]total, len(totals))
		for i, from := range order {
			shuffled[i] = totals[from]
		}
		want, got := ranks(totals), ranks(shuffled)
		for i, from := range order {
			if got[i] != want[from] {
				t.Fatalf("rank %d in one order and %d in another", got[i], want[from])
			}
		}
	})
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestRanks_areByTheExactShareAndNotByTheRoundedPercentage(t *testing.T) {
	t.Parallel()
	of := func(marks, most string) total { return total{marks: dec(marks), maxMarks: dec(most)} }
	assert.Equal(t, []int32{1, 2, 2, 4}, ranks([]total{of("90", "100"), of("80", "100"), of("40", "50"), of("79", "100")}))
	a, b := of("412.51", "800"), of("412.5", "800")
	require.Equal(t, a.percentage().StringFixed(1), b.percentage().StringFixed(1))
	assert.Equal(t, []int32{1, 2}, ranks([]total{a, b}))
	assert.Equal(t, []int32{1, 1}, ranks([]total{of("1", "3"), of("33.33", "99.99")}))
}

func TestLifeCycle_hasTheseStepsAndNoOthers(t *testing.T) {
	t.Parallel()
	all := []api.ExamStatus{api.ExamStatusDraft, api.ExamStatusScheduled, api.ExamStatusCompleted, api.ExamStatusPublished}
	allowed := map[[2]api.ExamStatus]bool{
		{"draft", "scheduled"}: true, {"scheduled", "draft"}: true, {"scheduled", "completed"}: true,
		{"completed", "scheduled"}: true, {"completed", "published"}: true,
		{"draft", "draft"}: true, {"scheduled", "scheduled"}: true, {"completed", "completed"}: true,
	}
	for _, from := range all {
		for _, to := range all {
			assert.Equal(t, allowed[[2]api.ExamStatus{from, to}], stepFaults(from, to) == nil, "%s to %s", from, to)
		}
	}
	assert.Equal(t, "Is scheduled, and can only become draft or completed", stepFaults("scheduled", "published")[0].Message)
	assert.Equal(t, "Is published, which is final", stepFaults("published", "draft")[0].Message)
}

func TestLifeCycle_nameAndDatesChangeUntilItIsCompleted(t *testing.T) {
	t.Parallel()
	patch := api.ExamPatch{Name: new("Other"), StartDate: &openapi_types.Date{}, EndDate: &openapi_types.Date{}}
	assert.Empty(t, changeFaults("draft", patch))
	assert.Empty(t, changeFaults("scheduled", patch))
	assert.ElementsMatch(t, []string{"name step", "startDate step", "endDate step"}, brief(changeFaults("completed", patch)))
	assert.ElementsMatch(t, []string{"status step", "name step", "startDate step", "endDate step"}, brief(changeFaults("published", patch)))
}

func TestResults_canBeEnteredWhileTheExamIsOnAndCorrectedAfterwards(t *testing.T) {
	t.Parallel()
	for status, want := range map[api.ExamStatus]struct{ first, correction bool }{
		"draft": {}, "scheduled": {first: true}, "completed": {first: true}, "published": {correction: true},
	} {
		assert.Equal(t, want.first, mayRecord(status, false) == nil, status)
		assert.Equal(t, want.correction, mayRecord(status, true) == nil, "a correction when %s", status)
	}
}

// drawBook is a class of two sections with three papers, the last elective.
func drawBook(t *rapid.T) gradeBook {
	papers := make([]gendb.ListPapersRow, 3)
	for i := range papers {
		papers[i] = gendb.ListPapersRow{ID: uuid.New(), SubjectID: uuid.New(), SubjectName: fmt.Sprint(i), MaxMarks: dec("25"), Weight: dec("1.5"), IsElective: i == 2}
	}
	sections := []uuid.UUID{uuid.New(), uuid.New()}
	var takers []gendb.ListTakersRow
	var results []gendb.ExamResultsRow
	for range rapid.IntRange(0, 20).Draw(t, "students") {
		taker := gendb.ListTakersRow{StudentID: uuid.New(), SectionID: rapid.SampledFrom(sections).Draw(t, "section")}
		takers = append(takers, taker)
		for _, p := range papers {
			if p.IsElective && rapid.Bool().Draw(t, "elects") {
				continue
			}
			r := gendb.ExamResultsRow{PaperID: p.ID, StudentID: taker.StudentID}
			if rapid.IntRange(0, 5).Draw(t, "sat") > 0 {
				r.Marks = new(decimal.New(rapid.Int64Range(0, 25).Draw(t, "marks"), 0))
			}
			results = append(results, r)
		}
	}
	return newGradeBook(papers, takers, results, nil)
}

func TestCards_areTheSameWhoeverComesFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		book := drawBook(t)
		want := sorted(book.cards(defaultScale))
		shuffled := book
		shuffled.takers = slices.Clone(book.takers)
		rand.Shuffle(len(shuffled.takers), func(i, j int) {
			shuffled.takers[i], shuffled.takers[j] = shuffled.takers[j], shuffled.takers[i]
		})
		for _, again := range []gradeBook{book, shuffled} {
			if got := sorted(again.cards(defaultScale)); got != want {
				t.Fatalf("%s\nand\n%s", want, got)
			}
		}
	})
}

// sorted are cards as text, in the order of the students.
func sorted(cards []card) string {
	slices.SortFunc(cards, func(a, b card) int { return cmp.Compare(a.student.String(), b.student.String()) })
	var text strings.Builder
	for _, c := range cards {
		subjects, err := json.Marshal(c.subjects)
		fmt.Fprintln(&text, c.student, c.section, string(subjects), err, c.total.marks, c.total.maxMarks, c.rank)
	}
	return text.String()
}

func TestCards_gradeAndRankOnlyWhoSatEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for _, c := range drawBook(t).cards(defaultScale) {
			v := c.verdict(defaultScale)
			isComplete := !slices.ContainsFunc(c.subjects, func(s api.SubjectResult) bool { return s.Absent })
			if (v.grade != nil) != isComplete || (v.rank != nil) != isComplete || (c.rank > 0) != isComplete {
				t.Fatalf("%+v of %+v", v, c)
			}
			if (v.percentage != nil) != c.total.hasSat() {
				t.Fatalf("percentage %v of %+v", v.percentage, c.total)
			}
		}
	})
}

func TestGradeBook_missesWhatEverybodyTakesAndNobodyHas(t *testing.T) {
	t.Parallel()
	english := gendb.ListPapersRow{ID: uuid.New(), SubjectName: "English", MaxMarks: dec("10"), Weight: dec("1")}
	drama := gendb.ListPapersRow{ID: uuid.New(), SubjectName: "Drama", MaxMarks: dec("10"), Weight: dec("1"), IsElective: true}
	takers := []gendb.ListTakersRow{{StudentID: uuid.New()}, {StudentID: uuid.New()}, {StudentID: uuid.New()}}
	has := []gendb.ExamResultsRow{{PaperID: english.ID, StudentID: takers[0].StudentID}, {PaperID: drama.ID, StudentID: takers[1].StudentID}}
	book := newGradeBook([]gendb.ListPapersRow{english, drama}, takers, has, nil)
	assert.Equal(t, "English: 2", book.missing(), "absent is a result, and an elective may have none")
	assert.Len(t, book.cards(defaultScale), 2, "who took nothing has no card")
}

func TestPlace_classAndYearBelongTogetherAndTheDaysAreInTheYear(t *testing.T) {
	t.Parallel()
	day := func(month time.Month, d int) openapi_types.Date {
		return openapi_types.Date{Time: time.Date(2026, month, d, 0, 0, 0, 0, time.UTC)}
	}
	here, elsewhere := uuid.New(), uuid.New()
	class := &gendb.PlaceOfExamRow{Kind: "class", InstitutionID: here}
	year := &gendb.PlaceOfExamRow{Kind: "academicYear", InstitutionID: here, StartDate: new(day(4, 1)), EndDate: new(day(12, 31))}
	assert.Empty(t, placeFaults(class, year))
	assert.Equal(t, []string{"classId reference", "academicYearId reference"}, brief(placeFaults(nil, nil)))
	assert.Equal(t, []string{"classId reference"}, brief(placeFaults(&gendb.PlaceOfExamRow{InstitutionID: elsewhere}, year)))
	assert.Empty(t, dayFaults(year, day(4, 1), day(12, 31)))
	assert.Equal(t, []string{"startDate outside"}, brief(dayFaults(year, day(3, 31), day(4, 1))))
}
