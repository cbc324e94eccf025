package student

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/etag"
)

// UpdateStudent applies a merge patch.
func (h *Handler) UpdateStudent(ctx context.Context, request api.UpdateStudentRequestObject) (api.UpdateStudentResponseObject, error) {
	patch := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	record, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.StudentRecord, error) {
		return change(ctx, q, request.StudentId, request.Params.IfMatch, func(row gendb.LockStudentRow) error {
			return h.update(ctx, q, row, *patch)
		})
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateStudent200JSONResponse{
		Body: studentOf(record), Headers: api.UpdateStudent200ResponseHeaders{ETag: etag.Of(record.Version)},
	}, nil
}

func (h *Handler) update(ctx context.Context, q *db.Queries, row gendb.LockStudentRow, patch api.StudentPatch) error {
	if err := h.apply(auth.From(ctx).Tenant, &row, patch); err != nil {
		return err
	}
	user := gendb.UpdateStudentUserParams{ID: row.UserID, Email: row.Email, FirstName: row.FirstName, LastName: row.LastName}
	if err := q.UpdateStudentUser(ctx, user); err != nil {
		return fmt.Errorf("update the user: %w", err)
	}
	if err := q.UpdateStudent(ctx, changed(row)); err != nil {
		return fmt.Errorf("update the student: %w", err)
	}
	return emit(ctx, q, api.EventTypeStudentUpdated, row.ID)
}

// apply changes row as the patch says: absent stays, null clears.
func (h *Handler) apply(tenant uuid.UUID, row *gendb.LockStudentRow, patch api.StudentPatch) error {
	set(&row.FirstName, patch.FirstName)
	set(&row.LastName, patch.LastName)
	set(&row.AdmissionNumber, patch.AdmissionNumber)
	set(&row.AdmissionDate, patch.AdmissionDate)
	setOrClear(&row.Email, patch.Email)
	setOrClear(&row.DateOfBirth, patch.DateOfBirth)
	setOrClear(&row.Phone, patch.Phone)
	setOrClear(&row.Address, patch.Address)
	gender, bloodGroup := (*api.StudentPatchGender)(row.Gender), (*api.StudentPatchBloodGroup)(row.BloodGroup)
	setOrClear(&gender, patch.Gender)
	setOrClear(&bloodGroup, patch.BloodGroup)
	row.Gender, row.BloodGroup = (*string)(gender), (*string)(bloodGroup)
	if patch.AadharNumber.IsSpecified() {
		var number *string
		setOrClear(&number, patch.AadharNumber)
		sealed := SealAadhar(h.Box, tenant, row.ID, number)
		row.AadharSealed, row.AadharDigest, row.AadharLast4 = sealed.Sealed, sealed.Digest, sealed.Last4
	}
	return h.mergeCustomFields(row, patch.CustomFields)
}

// mergeCustomFields merges name by name (RFC 7396); the result must be within the same bounds as a whole object is.
func (h *Handler) mergeCustomFields(row *gendb.LockStudentRow, patch *json.RawMessage) error {
	if patch == nil {
		return nil
	}
	merged, err := jsonpatch.MergePatch(row.CustomFields, *patch)
	if err != nil {
		return fmt.Errorf("merge custom fields: %w", err)
	}
	row.CustomFields = merged
	_, err = h.Contract.CheckSchema("CustomFields", merged, "customFields")
	return err
}

// set changes a field to a value that is present.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// setOrClear changes a field to a value that is present, or clears it for null.
func setOrClear[T any](field **T, value nullable.Nullable[T]) {
	switch {
	case value.IsNull():
		*field = nil
	case value.IsSpecified():
		v := value.MustGet()
		*field = &v
	}
}

func changed(r gendb.LockStudentRow) gendb.UpdateStudentParams {
	return gendb.UpdateStudentParams{
		ID: r.ID, AdmissionNumber: r.AdmissionNumber, FirstName: r.FirstName, LastName: r.LastName,
		DateOfBirth: r.DateOfBirth, Gender: r.Gender, Phone: r.Phone, AadharSealed: r.AadharSealed,
		AadharDigest: r.AadharDigest, AadharLast4: r.AadharLast4, AdmissionDate: r.AdmissionDate, Address: r.Address,
		BloodGroup: r.BloodGroup, CustomFields: r.CustomFields,
	}
}
