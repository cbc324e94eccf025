package db

import (
	"github.com/jackc/pgx/v5/pgtype"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// registerID teaches pgx to read and write ids as bytes.
func registerID(m *pgtype.Map) {
	pgxuuid.Register(m)
	m.RegisterType(&pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: idCodec{}})
}

// idCodec reads an id into a uuid.UUID as pgx-google-uuid does. pgx itself never comes to ask that one: a uuid.UUID is a sql.Scanner
// too, and is given the id's text, with two allocations, to be parsed.
type idCodec struct{ pgxuuid.UUIDCodec }

// PlanScan is for pgx.
func (c idCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	wrapped, inner, ok := pgxuuid.TryWrapUUIDScanPlan(target)
	if !ok {
		return c.UUIDCodec.PlanScan(m, oid, format, target)
	}
	next := c.UUIDCodec.PlanScan(m, oid, format, inner)
	if next == nil {
		return nil
	}
	wrapped.SetNext(next)
	return wrapped
}
