package attendance

import (
	"context"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// GetAttendanceSummary counts the marks of a range of days: one query, whatever the range and the filters.
func (h *Handler) GetAttendanceSummary(ctx context.Context, request api.GetAttendanceSummaryRequestObject) (api.GetAttendanceSummaryResponseObject, error) {
	p := request.Params
	if err := apperr.InvalidFields(rangeFaults(p.From, p.To, mostDays)); err != nil {
		return nil, err
	}
	rows, err := db.Read(ctx, h.DB, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) ([]gendb.SummarizeAttendanceRow, error) {
		return q.SummarizeAttendance(ctx, gendb.SummarizeAttendanceParams{
			FromDate: p.From, ToDate: p.To, InstitutionID: p.InstitutionId, ClassID: p.ClassId, SectionID: p.SectionId,
		})
	})
	if err != nil {
		return nil, err
	}
	summary := api.AttendanceSummary{From: p.From, To: p.To, Sections: make([]api.SectionAttendance, len(rows))}
	for i, r := range rows {
		counts := api.AttendanceCounts{Present: r.Present, Absent: r.Absent, Late: r.Late, Excused: r.Excused}
		summary.Counts = plus(summary.Counts, counts)
		summary.Sections[i] = api.SectionAttendance{
			ClassId: r.ClassID, ClassName: r.ClassName, SectionId: r.SectionID, SectionName: r.SectionName, Counts: counts,
		}
	}
	return api.GetAttendanceSummary200JSONResponse(summary), nil
}

func plus(a, b api.AttendanceCounts) api.AttendanceCounts {
	return api.AttendanceCounts{
		Present: a.Present + b.Present, Absent: a.Absent + b.Absent, Late: a.Late + b.Late, Excused: a.Excused + b.Excused,
	}
}
