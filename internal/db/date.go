package db

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	openapi_types "github.com/oapi-codegen/runtime/types"
)

// RegisterTypes makes a connection read what the generated queries scan into: ids, without a detour over their text, the API's dates,
// and times in UTC.
func RegisterTypes(m *pgtype.Map) {
	registerID(m)
	registerDate(m)
	registerUTC(m)
}

// registerDate teaches pgx the API's date type, so that a column of type date needs no conversion on its way into a
// response: to pgx it is the time.Time inside.
func registerDate(m *pgtype.Map) {
	m.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{wrapDateEncode}, m.TryWrapEncodePlanFuncs...)
	m.TryWrapScanPlanFuncs = append([]pgtype.TryWrapScanPlanFunc{wrapDateScan}, m.TryWrapScanPlanFuncs...)
}

// registerUTC makes pgx read times in UTC, which is what the API shows, whatever the zone of the process.
func registerUTC(m *pgtype.Map) {
	m.RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

type dateEncodePlan struct{ next pgtype.EncodePlan }

func (p *dateEncodePlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *dateEncodePlan) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(value.(openapi_types.Date).Time, buf) //nolint:forcetypeassert // chosen by wrapDateEncode
}

func wrapDateEncode(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	if d, ok := value.(openapi_types.Date); ok {
		return &dateEncodePlan{}, d.Time, true
	}
	return nil, nil, false
}

type dateScanPlan struct{ next pgtype.ScanPlan }

func (p *dateScanPlan) SetNext(next pgtype.ScanPlan) { p.next = next }

func (p *dateScanPlan) Scan(src []byte, target any) error {
	return p.next.Scan(src, &target.(*openapi_types.Date).Time) //nolint:forcetypeassert // chosen by wrapDateScan
}

func wrapDateScan(target any) (pgtype.WrappedScanPlanNextSetter, any, bool) {
	if _, ok := target.(*openapi_types.Date); ok {
		return &dateScanPlan{}, &time.Time{}, true
	}
	return nil, nil, false
}
