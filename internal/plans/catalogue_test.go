package plans

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCatalogue_hasEveryGeneratedQuery(t *testing.T) {
	t.Parallel()
	all, err := Catalogue()
	require.NoError(t, err)
	byName := map[string]Query{}
	for _, q := range all {
		byName[q.Name] = q
		assert.NotEmpty(t, q.File, q.Name)
	}
	assert.Len(t, byName, len(all), "no query twice")
	sources, err := readSources(fstest.MapFS{})
	require.NoError(t, err)
	assert.Empty(t, sources)
	assert.Contains(t, byName, "AdmitUsers", "a batch")
	assert.Contains(t, byName, "DueTenants", "the registry's")
	assert.Equal(t, []string{"user_id", "idle_seconds", "after_id", "after_created_at", "row_offset", "row_limit"}, byName["ListSessions"].params)
	assert.EqualValues(t, 10001, byName["CountClasses"].exceptions[0].rows)
}

func TestAlign_findsTheNumbersOfTheParameters(t *testing.T) {
	t.Parallel()
	names, err := align("select * from t where a = @one and b = sqlc.narg(two) and c = @one", "-- name: X :many\n\nselect id, a from t where a = $2 and b = $1 and c = $2\n")
	require.NoError(t, err)
	assert.Equal(t, []string{"two", "one"}, names)
	for _, other := range []string{"select id from t where a = $1 and b = $2", "select id from t where a = $2 and b = $1 and c = $3"} {
		_, err = align("select * from t where a = @one and b = sqlc.narg(two) and c = @one", "-- name: X :many\n"+other)
		assert.Error(t, err, other)
	}
}

func TestParse_readsTheExceptionOfAComment(t *testing.T) {
	t.Parallel()
	sql, e, err := parse("\n-- Why.\n-- plan: up to 10001 rows, counts no further\nselect 1;\n")
	require.NoError(t, err)
	assert.Equal(t, "select 1", sql)
	assert.Equal(t, []exception{{nil, 10001, "counts no further"}}, e)
	_, e, err = parse("-- plan: pattern, teacher: up to 5 rows, a: b\nselect 1;")
	require.NoError(t, err)
	assert.Equal(t, []exception{{[]string{"pattern", "teacher"}, 5, "a: b"}}, e)
	assert.True(t, e[0].isFor(Reading{View: "teacher"}))
	assert.True(t, e[0].isFor(Reading{View: "all", filters: []string{"status", "pattern"}}))
	assert.False(t, e[0].isFor(Reading{View: "all", filters: []string{"status"}}))
	_, _, err = parse("-- plan: because\nselect 1;")
	require.ErrorContains(t, err, "write `-- plan: up to")
}

func TestResolve_saysWhereAnArgumentIsMissing(t *testing.T) {
	t.Parallel()
	r := resolver{columns: map[string]map[string]columnInfo{"pupils": {"id": {Table: "pupils", Name: "id", Type: "uuid", IsKey: true}}}}
	q := Query{Name: "GetPupil", File: "pupil.sql", Text: "select 1 from pupils where id = $1 and x = $2"}
	found, err := r.expressions(q, "id")
	require.NoError(t, err)
	assert.Equal(t, []string{"(select t.id from pupils t where true limit 1)"}, found)
	found, err = r.expressions(q, "ids")
	require.NoError(t, err)
	assert.Equal(t, []string{"array[(select t.id from pupils t where true limit 1)]"}, found)
	_, err = r.expressions(q, "shoe_size")
	require.ErrorContains(t, err, "query GetPupil (queries/pupil.sql): no argument is known for its parameter shoe_size")
	require.ErrorContains(t, err, "internal/plans/arguments.go")
}

func TestSets_areFiltersAloneAndInPairs(t *testing.T) {
	t.Parallel()
	q := Query{
		Text:   "($1::uuid is null or a = $1) and ($2::text is null or b = $2) and ($3::uuid is null or (c, id) > ($4, $3)) limit $5",
		params: []string{"a", "b", "after_id", "after_c", "row_limit"},
	}
	var labels []string
	for _, s := range sets(q, literals{"a": {"1"}, "b": {"2", "3"}, "after_id": {"4"}, "after_c": {"5"}, "row_limit": {"21"}}) {
		labels = append(labels, s.label)
		assert.Equal(t, "21", s.literals[4])
		assert.Equal(t, s.literals[2] == null, s.literals[3] == null, "a cursor is whole")
	}
	assert.Equal(t, []string{"", "a", "a, b", "a, cursor", "b", "b (value 2)", "b, cursor", "cursor"}, labels)
}

func TestJudge_isTheRule(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reading   Reading
		exception exception
		baseline  int64
		fault     string
	}{
		"fifty a row":              {reading: Reading{Returned: 2, Read: 100}},
		"more":                     {reading: Reading{Returned: 2, Read: 101}, fault: "reads 101 rows; 100 are allowed for 2 returned"},
		"none returned":            {reading: Reading{Read: 50}},
		"what its view costs":      {reading: Reading{Returned: 1, Read: 650}, baseline: 100},
		"more than its view costs": {reading: Reading{Returned: 1, Read: 651}, baseline: 100, fault: "reads 651 rows; 650 are allowed for 1 returned"},
		"sequentially":             {reading: Reading{Returned: 99, Read: 1000, Sequential: 1000, Large: "users"}, fault: "reads 1000 rows of users sequentially"},
		"a tenth of a table":       {reading: Reading{Returned: 100, Read: 1000, Sequential: 1000, Large: "users"}},
		"an exception":             {reading: Reading{Returned: 1, Read: 1000, Sequential: 1000}, exception: exception{rows: 1000}},
		"an exception has a bound": {reading: Reading{Returned: 100, Read: 1001}, exception: exception{rows: 1000}, fault: "reads 1001 rows; 1000 are allowed for 100 returned"},
	} {
		assert.Equal(t, c.fault, c.reading.judge(c.exception, c.baseline), name)
	}
}
