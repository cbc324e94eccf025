package privacy

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// What erases persons, whose ids are $1. Rows stay, so that numbers and totals do; what is left of a person is an id.
var (
	forgetStudent = []string{
		`update students set first_name = 'Erased', last_name = 'Erased', admission_number = 'erased-' || id, date_of_birth = null, phone = null,
			aadhar_sealed = null, aadhar_digest = null, aadhar_last4 = null, address = null, blood_group = null, custom_fields = '{}',
			version = version + 1, updated_at = now() where id = any($1)`,
		// What people wrote of them.
		`update enrollments set reason = null where student_id = any($1) and reason is not null`,
		`update attendance_marks set note = null where student_id = any($1) and note is not null`,
		`update attendance_corrections set note = null, new_note = null where student_id = any($1)`,
		`update exam_results set remark = null where student_id = any($1) and remark is not null`,
		// A card is final, but for this.
		`alter table report_cards disable trigger report_cards_are_final`,
		`update report_cards set subjects = (select coalesce(jsonb_agg(s - 'remark' order by n), '[]') from jsonb_array_elements(subjects) with ordinality as x (s, n))
			where student_id = any($1)`,
		`alter table report_cards enable trigger report_cards_are_final`,
	}
	forgetGuardians = []string{
		`update guardians set first_name = 'Erased', last_name = 'Erased', email = null, phone = null, updated_at = now() where id = any($1)`,
	}
	forgetUsers = []string{
		`update users set email = null, first_name = 'Erased', last_name = 'Erased', password_hash = null, is_active = false, updated_at = now() where id = any($1)`,
		`delete from second_factors where user_id = any($1)`,
		`delete from sessions where user_id = any($1)`,
		`delete from idempotency_keys where user_id = any($1)`,
	}
)

// forgetTrail empties what the audit trail says of the persons ($1), the changes above included. The chain holds without it
// (docs/audit.md), and verify counts what is erased.
const forgetTrail = `update audit_events set before = null, after = null, salt = null, erased_at = now()
	where erased_at is null and (resource_id = any($1) or resource_id in (select id from enrollments where student_id = any($1)))`

// noteErasure leaves the one event that says so.
const noteErasure = `select audit_record('student', $1, 'update', null, '{"erased": true}')`

// Erase erases a student who has left, and the guardians who are linked to nobody else, in one transaction. It may be repeated. The
// error is of kind NotFound when there is no such student, and Conflict while the student is enrolled.
func Erase(ctx context.Context, d *db.DB, tenant, student uuid.UUID) (p Persons, err error) {
	err = d.Load(ctx, tenant, db.Options{Timeout: timeout}, func(ctx context.Context, raw db.Raw) error {
		var status string
		if p, status, err = find(ctx, raw, student); err != nil {
			return err
		}
		if status == "active" {
			return apperr.New(apperr.Conflict, "The student is enrolled: withdraw them first (POST /v1/students/{studentId}/withdraw).")
		}
		for _, part := range []struct {
			statements []string
			ids        []uuid.UUID
		}{
			{forgetStudent, []uuid.UUID{student}}, {forgetGuardians, p.Guardians}, {forgetUsers, p.Users}, {[]string{forgetTrail}, p.all()},
		} {
			if err := run(ctx, raw, part.statements, part.ids); err != nil {
				return err
			}
		}
		if _, err := raw.Exec(ctx, noteErasure, p.Student); err != nil {
			return fmt.Errorf("note the erasure: %w", err)
		}
		return nil
	})
	return p, err
}

func run(ctx context.Context, raw db.Raw, statements []string, ids []uuid.UUID) error {
	for _, statement := range statements {
		args := []any{ids}
		if !strings.Contains(statement, "$1") {
			args = nil
		}
		if _, err := raw.Exec(ctx, statement, args...); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	return nil
}
