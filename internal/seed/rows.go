package seed

import (
	"context"
	"fmt"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// admissionRows are the rows of many admissions, table by table.
type admissionRows struct {
	users       []gendb.AdmitUsersParams
	students    []gendb.AdmitStudentsParams
	enrollments []gendb.OpenEnrollmentsParams
	guardians   []gendb.CreateGuardiansParams
	links       []gendb.LinkGuardiansParams
}

func (r admissionRows) insert(ctx context.Context, q *db.Queries) error {
	batches := []func() interface{ Exec(func(int, error)) }{
		func() interface{ Exec(func(int, error)) } { return q.AdmitUsers(ctx, r.users) },
		func() interface{ Exec(func(int, error)) } { return q.AdmitStudents(ctx, r.students) },
		func() interface{ Exec(func(int, error)) } { return q.OpenEnrollments(ctx, r.enrollments) },
		func() interface{ Exec(func(int, error)) } { return q.CreateGuardians(ctx, r.guardians) },
		func() interface{ Exec(func(int, error)) } { return q.LinkGuardians(ctx, r.links) },
	}
	for _, send := range batches {
		var first error
		send().Exec(func(i int, err error) {
			if err != nil && first == nil {
				first = fmt.Errorf("row %d: %w", i, err)
			}
		})
		if first != nil {
			return first
		}
	}
	return nil
}
