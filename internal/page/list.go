package page

import (
	"context"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// snapshot lets a list and its total agree while rows come and go: both statements see the same moment.
var snapshot = db.Options{ReadOnly: true, Isolation: db.RepeatableRead}

// List says how a list is read. K is the place of a row in the list's order, R a row, T what the client sees of it.
type List[K, R, T any] struct {
	Name       string
	Parameters Parameters
	Filters    any // the request's parameters without Parameters: a new filter binds the cursor by being there
	// Parent, if there is one, fails when what the list belongs to is not there: an empty list is something else.
	Parent func(context.Context, *db.Queries) error
	Rows   func(context.Context, *db.Queries, Request[K]) ([]R, error)
	Count  func(context.Context, *db.Queries) (int64, error)
	// InSteps is for a list whose functions run more than one statement, or need what another has read: Parent, Count and then Rows.
	InSteps bool
	Key     func(R) K
	View    func(R) T
}

// Read reads one page of the list: the total and then the rows, in one snapshot. A page number that the count does not reach
// is an empty page, or an error if the count was capped before it: rows are skipped only as far as they are counted. Up to
// there all is one exchange with the database.
func (l List[K, R, T]) Read(ctx context.Context, d *db.DB, scope db.Scope) ([]T, api.PageInfo, error) {
	request, err := Read[K](l.Name, l.Parameters, l.Filters)
	if err != nil {
		return nil, api.PageInfo{}, err
	}
	var rows []R
	var counted int64
	parent := l.Parent
	if parent == nil {
		parent = func(context.Context, *db.Queries) error { return nil }
	}
	count := func(ctx context.Context, q *db.Queries) (err error) {
		if counted, err = l.Count(ctx, q); err != nil {
			return err
		}
		return request.reachable(counted)
	}
	read := func(ctx context.Context, q *db.Queries) (err error) {
		rows, err = l.Rows(ctx, q, request)
		return err
	}
	err = d.InTx(ctx, scope, snapshot, func(ctx context.Context, q *db.Queries) error {
		if !l.InSteps && request.skipsFew() {
			return db.Together(db.Last(ctx), parent, count, read)
		}
		for _, step := range []db.Func{parent, count, read} {
			if err := step(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, api.PageInfo{}, err
	}
	data, info := Finish(request, rows, counted, l.Key, l.View)
	return data, info, nil
}
