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
	Rows       func(context.Context, *db.Queries, Request[K]) ([]R, error)
	Count      func(context.Context, *db.Queries) (int64, error)
	Key        func(R) K
	View       func(R) T
}

// Read reads one page of the list: the total and then the rows, in one snapshot. A page number that the count does not reach
// is an empty page, or an error if the count was capped before it: rows are skipped only as far as they are counted.
func (l List[K, R, T]) Read(ctx context.Context, d *db.DB, scope db.Scope) ([]T, api.PageInfo, error) {
	request, err := Read[K](l.Name, l.Parameters, l.Filters)
	if err != nil {
		return nil, api.PageInfo{}, err
	}
	var rows []R
	var counted int64
	err = d.InTx(ctx, scope, snapshot, func(ctx context.Context, q *db.Queries) (err error) {
		if counted, err = l.Count(ctx, q); err != nil {
			return err
		}
		if err := request.reachable(counted); err != nil {
			return err
		}
		rows, err = l.Rows(ctx, q, request)
		return err
	})
	if err != nil {
		return nil, api.PageInfo{}, err
	}
	data, info := Finish(request, rows, counted, l.Key, l.View)
	return data, info, nil
}
