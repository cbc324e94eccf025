package exam

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// GetGradingScale reads an institution's scale, which may be the default.
func (h *Handler) GetGradingScale(ctx context.Context, request api.GetGradingScaleRequestObject) (api.GetGradingScaleResponseObject, error) {
	view, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.ReadOnly, func(ctx context.Context, q *db.Queries) (api.GradingScale, error) {
		if _, err := q.GetInstitution(ctx, request.InstitutionId); err != nil {
			return api.GradingScale{}, err
		}
		return readScale(ctx, q, request.InstitutionId)
	})
	if err != nil {
		return nil, err
	}
	return api.GetGradingScale200JSONResponse(view), nil
}

// ReplaceGradingScale makes the given bands the institution's scale.
func (h *Handler) ReplaceGradingScale(ctx context.Context, request api.ReplaceGradingScaleRequestObject) (api.ReplaceGradingScaleResponseObject, error) {
	bands := bandsOf(request.Body.Bands)
	if err := apperr.InvalidFields(scaleFaults(bands)); err != nil {
		return nil, err
	}
	view, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (api.GradingScale, error) {
		if err := replaceScale(ctx, q, request.InstitutionId, bands); err != nil {
			return api.GradingScale{}, err
		}
		return readScale(ctx, q, request.InstitutionId)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceGradingScale200JSONResponse(view), nil
}

func replaceScale(ctx context.Context, q *db.Queries, institution uuid.UUID, bands []band) error {
	if _, err := q.HoldInstitution(ctx, institution); err != nil {
		return err
	}
	if err := q.DeleteBands(ctx, institution); err != nil {
		return fmt.Errorf("delete the bands: %w", err)
	}
	params := make([]gendb.CreateBandsParams, len(bands))
	for i, b := range bands {
		params[i] = gendb.CreateBandsParams{InstitutionID: institution, Name: b.name, MinPercentage: b.minimum, Points: b.points}
	}
	if _, err := db.RunBatch(q.CreateBands(ctx, params)); err != nil {
		return fmt.Errorf("create the bands: %w", err)
	}
	return nil
}

// scaleOf is the scale of an institution, and whether it has set it.
func scaleOf(ctx context.Context, q *db.Queries, institution uuid.UUID) (s scale, isOwn bool, err error) {
	rows, err := q.ListBands(ctx, institution)
	if err != nil {
		return nil, false, fmt.Errorf("list the bands: %w", err)
	}
	if len(rows) == 0 {
		return defaultScale, false, nil
	}
	for _, r := range rows {
		s = append(s, band{r.Name, r.MinPercentage, r.Points})
	}
	return newScale(s), true, nil
}

func readScale(ctx context.Context, q *db.Queries, institution uuid.UUID) (api.GradingScale, error) {
	s, isOwn, err := scaleOf(ctx, q, institution)
	return api.GradingScale{IsDefault: !isOwn, Bands: bandsView(s)}, err
}
