package db

import (
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// Constraint names carry the mapping: <table>_<column>_<suffix>. The column is the field of the request in snake case
// (students_admission_number_key is admissionNumber), the suffix the rule.
var constraintRules = []struct {
	suffix        string
	kind          apperr.Kind
	code, message string
}{
	{"_key", apperr.Conflict, "unique", "Already in use"},
	{"_fkey", apperr.Invalid, "reference", "Does not exist, or does not belong here"},
	{"_order", apperr.Invalid, "order", "Is too early for its start"},
	{"_check", apperr.Invalid, "check", "Not allowed"},
}

// constraintError names the field that a broken constraint is about. A constraint outside the naming rule is a fault of
// ours and stays as it is.
func constraintError(pg *pgconn.PgError, cause error) error {
	column, found := strings.CutPrefix(pg.ConstraintName, pg.TableName+"_")
	if !found {
		return cause
	}
	for _, rule := range constraintRules {
		if name, ok := strings.CutSuffix(column, rule.suffix); ok {
			e := apperr.Wrap(rule.kind, rule.message+": "+camelCase(name)+".", cause)
			e.Fields = []apperr.Field{apperr.BodyField(rule.code, rule.message, camelCase(name))}
			return e
		}
	}
	return cause
}

// camelCase is the API's spelling of a column: admission_number is admissionNumber.
func camelCase(column string) string {
	words := strings.Split(column, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}
