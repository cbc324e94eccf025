package academic_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// newSchool has n rows of the list under each of two parents.
func (l list) newSchool(t *testing.T, n int) (school, [2]uuid.UUID) {
	t.Helper()
	s := newSchool(t)
	return s, l.fill(t, s, n)
}

func TestEveryList_visitsEachRowOnceInOrder(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, _ := l.newSchool(t, 6)
			want, info, err := l.list(s, firstPage(100), nil)
			require.NoError(t, err)
			assert.Len(t, want, 12)
			assert.EqualValues(t, 12, info.Total)
			assert.EqualValues(t, 1, info.TotalPages)
			assert.True(t, slices.IsSortedFunc(want, l.compare))
			for _, limit := range []int{1, 5, 6, 12} {
				assert.Equal(t, want, l.walk(t, s, limit, nil), "by cursor, %d a page", limit)
				assert.Equal(t, want, l.leaf(t, s, limit), "by number, %d a page", limit)
			}
		})
	}
}

func TestEveryList_isEmptyBehindItsEnd(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, _ := l.newSchool(t, 1)
			rows, info, err := l.list(s, page.Parameters{Page: new(int32(10_000)), Limit: new(100)}, nil)
			require.NoError(t, err)
			assert.Empty(t, rows)
			assert.EqualValues(t, 2, info.Total)
			assert.Nil(t, info.NextCursor)
		})
	}
}

// whileAdding runs look again and again while rows are added before and behind those that are there.
func (l list) whileAdding(t *testing.T, s school, parents [2]uuid.UUID, look func()) {
	t.Helper()
	var writers errgroup.Group
	for i, from := range []int{0, 60} {
		writers.Go(func() error {
			for place := from; place < from+40; place++ {
				if err := l.add(s, parents[i], place); err != nil {
					return err
				}
			}
			return nil
		})
	}
	done := make(chan error, 1)
	go func() { done <- writers.Wait() }()
	for looked := 0; ; looked++ {
		select {
		case err := <-done:
			require.NoError(t, err)
			assert.Positive(t, looked)
			return
		default:
			look()
		}
	}
}

func TestEveryList_byCursorVisitsEachRowOnceWhileOthersAreAdded(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, parents := l.newSchool(t, 10)
			before := l.walk(t, s, 100, nil)
			l.whileAdding(t, s, parents, func() {
				walked := l.walk(t, s, 3, nil)
				assert.True(t, slices.IsSortedFunc(walked, l.compare))
				assert.Len(t, slices.Compact(slices.Clone(walked)), len(walked), "a row came twice")
				assert.Subset(t, walked, before)
			})
		})
	}
}

func TestEveryList_agreesWithItsTotalWhileRowsAreAdded(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, parents := l.newSchool(t, 10)
			l.whileAdding(t, s, parents, func() {
				rows, info, err := l.list(s, firstPage(100), nil)
				require.NoError(t, err)
				assert.EqualValues(t, len(rows), info.Total)
			})
		})
	}
}

func TestEveryList_filtersByItsParent(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		if l.parents == nil {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, parents := l.newSchool(t, 5)
			var both []row
			for _, parent := range parents {
				some, info, err := l.list(s, firstPage(100), &parent)
				require.NoError(t, err)
				assert.Len(t, some, 5)
				assert.EqualValues(t, 5, info.Total)
				assert.Equal(t, some, l.walk(t, s, 2, &parent))
				both = append(both, some...)
			}
			assert.ElementsMatch(t, l.walk(t, s, 100, nil), both)

			none, info, err := l.list(s, firstPage(100), new(uuid.Must(uuid.NewV7())))
			require.NoError(t, err)
			assert.NotNil(t, none)
			assert.Empty(t, none)
			assert.Zero(t, info.Total)
		})
	}
}

// cursorOf is the cursor behind the first row.
func (l list) cursorOf(t *testing.T, s school, parent *uuid.UUID) string {
	t.Helper()
	_, info, err := l.list(s, firstPage(1), parent)
	require.NoError(t, err)
	require.NotNil(t, info.NextCursor)
	return *info.NextCursor
}

func (l list) wantRefused(t *testing.T, s school, cursor string, parent *uuid.UUID) {
	t.Helper()
	p := firstPage(1)
	p.Cursor = &cursor
	_, _, err := l.list(s, p, parent)
	var e *apperr.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, apperr.Invalid, e.Kind)
	if assert.Len(t, e.Fields, 1) {
		assert.Equal(t, apperr.Query, e.Fields[0].In)
		assert.Equal(t, "cursor", e.Fields[0].Field)
	}
}

func TestEveryList_refusesTheCursorOfAnotherFilter(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		if l.parents == nil {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, parents := l.newSchool(t, 2)
			l.wantRefused(t, s, l.cursorOf(t, s, nil), &parents[0])
			l.wantRefused(t, s, l.cursorOf(t, s, &parents[0]), &parents[1])
			l.wantRefused(t, s, l.cursorOf(t, s, &parents[0]), nil)
		})
	}
}

func TestEveryList_refusesTheCursorOfAnotherList(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for _, l := range lists {
		l.fill(t, s, 2)
	}
	for _, l := range lists {
		for _, other := range lists {
			if l.name != other.name {
				l.wantRefused(t, s, other.cursorOf(t, s, nil), nil)
			}
		}
	}
}

// A cursor is only text to a client: what the database cannot compare with is the client's fault, not ours.
func TestEveryList_calmlyRefusesAForgedCursor(t *testing.T) {
	t.Parallel()
	for _, l := range lists {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, _ := l.newSchool(t, 2)
			raw, err := base64.RawURLEncoding.DecodeString(l.cursorOf(t, s, nil))
			require.NoError(t, err)
			for before, after := range map[string]string{`"Name":"`: `"Name":"\u0000`, `"ID":"`: `"ID":"x`, `"k":{`: `"k":[`} {
				forged := strings.Replace(string(raw), before, after, 1)
				if forged == string(raw) {
					continue
				}
				p := firstPage(1)
				p.Cursor = new(base64.RawURLEncoding.EncodeToString([]byte(forged)))
				_, _, err := l.list(s, p, nil)
				assert.Equal(t, apperr.Invalid, apperr.KindOf(err), "%s: %v", forged, err)
			}
		})
	}
}
