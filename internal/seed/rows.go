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
	for _, send := range []func() db.BatchResults{
		func() db.BatchResults { return q.AdmitUsers(ctx, r.users) },
		func() db.BatchResults { return q.AdmitStudents(ctx, r.students) },
		func() db.BatchResults { return q.OpenEnrollments(ctx, r.enrollments) },
		func() db.BatchResults { return q.CreateGuardians(ctx, r.guardians) },
		func() db.BatchResults { return q.LinkGuardians(ctx, r.links) },
	} {
		if i, err := db.RunBatch(send()); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}
