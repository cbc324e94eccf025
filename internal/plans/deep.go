package plans

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Depth is how long a page of a list takes at its beginning and deep in it, by cursor.
type Depth struct {
	List        string
	Steps       int // pages that were walked
	First, Last time.Duration
}

// MostSlower is how many times the first page's time a deep one may take.
const MostSlower = 1.5

// Ratio is how many times the first page's time the deep one took.
func (d Depth) Ratio() float64 { return float64(d.Last) / float64(d.First) }

// sampled is how many pages a time is the median of.
const sampled = 201

// rowsPerPage is the default size of a page, and the row that tells whether there is another.
const rowsPerPage = 21

// walk reads the page behind a row.
type walk func(ctx context.Context, q *db.Queries, after *gendb.StudentRecord) ([]gendb.StudentRecord, error)

// walks are the orders of the list of students, the longest there is.
var walks = map[string]walk{
	"name": func(ctx context.Context, q *db.Queries, after *gendb.StudentRecord) ([]gendb.StudentRecord, error) {
		arg := gendb.ListStudentsByNameParams{RowLimit: rowsPerPage}
		if after != nil {
			arg.AfterID, arg.AfterLastName, arg.AfterFirstName = &after.ID, &after.LastName, &after.FirstName
		}
		return q.ListStudentsByName(ctx, arg)
	},
	"admission number": func(ctx context.Context, q *db.Queries, after *gendb.StudentRecord) ([]gendb.StudentRecord, error) {
		arg := gendb.ListStudentsByAdmissionNumberParams{RowLimit: rowsPerPage}
		if after != nil {
			arg.AfterID, arg.AfterAdmissionNumber = &after.ID, &after.AdmissionNumber
		}
		return q.ListStudentsByAdmissionNumber(ctx, arg)
	},
	"newest": func(ctx context.Context, q *db.Queries, after *gendb.StudentRecord) ([]gendb.StudentRecord, error) {
		arg := gendb.ListStudentsByNewestParams{RowLimit: rowsPerPage}
		if after != nil {
			arg.AfterID, arg.AfterCreatedAt = &after.ID, &after.CreatedAt
		}
		return q.ListStudentsByNewest(ctx, arg)
	},
}

// Deep walks the students of a tenant by cursor, so many pages or to the end, in each order. Times are medians, of whole
// transactions; between the deep pages the first one is read again, so that a busy machine slows both.
func Deep(ctx context.Context, d *db.DB, tenant uuid.UUID, steps int) ([]Depth, error) {
	var all []Depth
	for name, next := range walks {
		w := walker{db: d, scope: db.Tenant(tenant), next: next}
		depth, err := w.walk(ctx, steps)
		if err != nil {
			return nil, fmt.Errorf("walk by %s: %w", name, err)
		}
		depth.List = "students by " + name
		all = append(all, depth)
	}
	slices.SortFunc(all, func(a, b Depth) int { return len(a.List) - len(b.List) })
	return all, nil
}

type walker struct {
	db    *db.DB
	scope db.Scope
	next  walk
}

func (w walker) walk(ctx context.Context, steps int) (Depth, error) {
	depth := Depth{}
	var after *gendb.StudentRecord
	var first, last []time.Duration
	for depth.Steps < steps {
		rows, took, err := w.page(ctx, after)
		if err != nil {
			return depth, err
		}
		if len(rows) < rowsPerPage {
			break
		}
		after = &rows[rowsPerPage-2] // the last row of the page
		depth.Steps++
		if last = append(last, took); depth.Steps > steps-sampled {
			_, took, err = w.page(ctx, nil)
			if err != nil {
				return depth, err
			}
			first = append(first, took)
		}
	}
	if len(first) == 0 {
		return depth, fmt.Errorf("the tenant has only %d pages of students", depth.Steps)
	}
	depth.First, depth.Last = median(first), median(last[max(0, len(last)-sampled):])
	return depth, nil
}

func (w walker) page(ctx context.Context, after *gendb.StudentRecord) (rows []gendb.StudentRecord, took time.Duration, err error) {
	begun := time.Now()
	rows, err = db.InTxValue(ctx, w.db, w.scope, db.ReadOnly, func(ctx context.Context, q *db.Queries) ([]gendb.StudentRecord, error) {
		return w.next(ctx, q, after)
	})
	return rows, time.Since(begun), err
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
