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

// executor is one generated batch.
type executor interface {
	Exec(each func(i int, err error))
}

func (r admissionRows) insert(ctx context.Context, q *db.Queries) error {
	batches := []func() executor{
		func() executor { return q.AdmitUsers(ctx, r.users) },
		func() executor { return q.AdmitStudents(ctx, r.students) },
		func() executor { return q.OpenEnrollments(ctx, r.enrollments) },
		func() executor { return q.CreateGuardians(ctx, r.guardians) },
		func() executor { return q.LinkGuardians(ctx, r.links) },
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
