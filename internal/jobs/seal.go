package jobs

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// sealSize is how many audit events one transaction gives their places, so that none takes long.
const sealSize = 5000

// Seal gives the audit events of a tenant their places in the chain, so many in one transaction, and logs the last one: who
// has it can tell later whether the end of the chain was cut off.
func Seal(d *db.DB, log *slog.Logger, batch int32) func(context.Context, uuid.UUID) error {
	return func(ctx context.Context, tenant uuid.UUID) error {
		for sealed := int64(batch); sealed == int64(batch); {
			var head gendb.AuditHeadRow
			err := d.InTx(ctx, db.Tenant(tenant), db.Options{}, func(ctx context.Context, q *db.Queries) (err error) {
				if sealed, err = q.SealAuditEvents(ctx, batch); err != nil || sealed == 0 {
					return err
				}
				head, err = q.AuditHead(ctx)
				return err
			})
			if err != nil {
				return fmt.Errorf("seal audit events: %w", err)
			}
			if sealed > 0 {
				log.InfoContext(ctx, "audit trail sealed", "tenant", tenant.String(), "events", sealed,
					"head", strconv.FormatInt(head.Position, 10)+":"+hex.EncodeToString(head.Hash))
			}
		}
		return nil
	}
}
