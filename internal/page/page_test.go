package page_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/page"
)

type key struct{ Name string }

func parameters(number int32, limit int, cursor *string) page.Parameters {
	return page.Parameters{Page: &number, Limit: &limit, Cursor: cursor}
}

func finish(t *testing.T, p page.Parameters, filters any, rows []string, counted int64) ([]string, *string, page.Request[key]) {
	t.Helper()
	r, err := page.Read[key]("names", p, filters)
	require.NoError(t, err)
	data, info := page.Finish(r, rows, counted, func(s string) key { return key{s} }, func(s string) string { return s })
	return data, info.NextCursor, r
}

func TestFinish_aFurtherRowMakesACursor(t *testing.T) {
	t.Parallel()
	data, next, _ := finish(t, parameters(1, 2, nil), "f", []string{"a", "b", "c"}, 9)
	assert.Equal(t, []string{"a", "b"}, data)
	require.NotNil(t, next)
	_, _, r := finish(t, parameters(1, 2, next), "f", nil, 9)
	assert.Equal(t, &key{"b"}, r.After)
	assert.Zero(t, r.RowOffset())
}

func TestFinish_theLastPageHasNoCursor(t *testing.T) {
	t.Parallel()
	_, next, _ := finish(t, parameters(1, 2, nil), "f", []string{"a", "b"}, 2)
	assert.Nil(t, next)
}

func TestFinish_anEmptyListIsAnEmptyListAndNotNull(t *testing.T) {
	t.Parallel()
	data, _, _ := finish(t, parameters(1, 20, nil), "f", nil, 0)
	assert.NotNil(t, data)
	assert.Empty(t, data)
}

func TestFinish_totalsAreCappedAt10000(t *testing.T) {
	t.Parallel()
	for counted, want := range map[int64]struct {
		total, pages int64
		capped       bool
	}{0: {0, 0, false}, 1: {1, 1, false}, 100: {100, 1, false}, 101: {101, 2, false}, 10_000: {10_000, 100, false}, 10_001: {10_000, 100, true}} {
		r, err := page.Read[key]("names", parameters(1, 100, nil), nil)
		require.NoError(t, err)
		_, info := page.Finish(r, []string{}, counted, func(s string) key { return key{s} }, func(s string) string { return s })
		assert.Equal(t, want.total, info.Total)
		assert.Equal(t, want.pages, info.TotalPages)
		assert.Equal(t, want.capped, info.TotalCapped)
	}
}

func TestRead_theDeepestPageFitsAnInt32Offset(t *testing.T) {
	t.Parallel()
	_, _, r := finish(t, parameters(10_000, 100, nil), nil, nil, 0)
	assert.EqualValues(t, 999_900, r.RowOffset())
	assert.EqualValues(t, 101, r.RowLimit())
}

func TestReachable_pageNumbersEndWhereTheCountDoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		page    int32
		limit   int
		counted int64
		behind  bool
		refused bool
	}{
		"the first page of nothing":            {page: 1, limit: 20},
		"the last row that is counted":         {page: 10_000, limit: 1, counted: 10_001},
		"the last page that is counted":        {page: 100, limit: 100, counted: 10_001},
		"behind what is counted":               {page: 101, limit: 100, counted: 10_001, behind: true, refused: true},
		"deepest":                              {page: 10_000, limit: 100, counted: 10_001, behind: true, refused: true},
		"behind the end of a list of 10,000":   {page: 101, limit: 100, counted: 10_000, behind: true},
		"behind the end of a short list":       {page: 10_000, limit: 100, counted: 7, behind: true},
		"the page just behind a full last one": {page: 2, limit: 7, counted: 7, behind: true},
	} {
		r, err := page.Read[key]("names", parameters(c.page, c.limit, nil), nil)
		require.NoError(t, err)
		assert.Equal(t, c.behind, r.IsBehind(c.counted), name)
		err = r.Reachable(c.counted)
		assert.Equal(t, c.refused, err != nil, name)
		if err != nil {
			assert.Equal(t, apperr.Invalid, apperr.KindOf(err), name)
			assert.ErrorContains(t, err, "page", name)
		}
	}
}

func TestRead_refusesACursorOfSomethingElse(t *testing.T) {
	t.Parallel()
	_, next, _ := finish(t, parameters(1, 1, nil), "filter", []string{"a", "b"}, 2)
	for name, read := range map[string]func() error{
		"other filters": func() error { _, err := page.Read[key]("names", parameters(1, 1, next), "other"); return err },
		"another list":  func() error { _, err := page.Read[key]("others", parameters(1, 1, next), "filter"); return err },
		"not base64":    func() error { _, err := page.Read[key]("names", parameters(1, 1, new("?")), "filter"); return err },
		"not JSON":      func() error { _, err := page.Read[key]("names", parameters(1, 1, new("AAAA")), "filter"); return err },
		"cut short": func() error {
			_, err := page.Read[key]("names", parameters(1, 1, new((*next)[:len(*next)-2])), "filter")
			return err
		},
		"without a key": func() error {
			_, err := page.Read[key]("names", parameters(1, 1, new(base64.RawURLEncoding.EncodeToString([]byte(`{"v":1}`)))), "filter")
			return err
		},
	} {
		err := read()
		assert.Equal(t, apperr.Invalid, apperr.KindOf(err), name)
		assert.ErrorContains(t, err, "cursor", name)
	}
}

func FuzzRead(f *testing.F) {
	_, next, _ := finish(&testing.T{}, parameters(1, 1, nil), "f", []string{"a", "b"}, 2)
	for _, seed := range []string{*next, "", "eyJ2IjoxfQ", "eyJ2IjoxLCJmIjoiIiwiayI6e319", "AAAA", "e30", "bnVsbA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		r, err := page.Read[key]("names", parameters(1, 1, &cursor), "f")
		if err != nil {
			assert.Equal(t, apperr.Invalid, apperr.KindOf(err))
			return
		}
		require.NotNil(t, r.After, "an accepted cursor has a key")
	})
}
