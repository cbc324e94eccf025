package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// The document and the tables say the same of what is stored. Neither is parsed for it: every property of every schema
// that is stored is tried with values about its limits, on kin-openapi and on the column, and both must take the same.

// stored says where a schema of the document is kept; a property belongs to the first table with a column of its name.
// Every schema of a request body is here or in transient.
var stored = map[string][]string{
	"InstitutionCreate": {"institutions"}, "InstitutionPatch": {"institutions"},
	"AcademicYearCreate": {"academic_years"}, "AcademicYearPatch": {"academic_years"},
	"SchoolClassCreate": {"classes"}, "SchoolClassPatch": {"classes"},
	"SectionCreate": {"sections"}, "SectionPatch": {"sections"},
	"SubjectCreate": {"subjects"}, "SubjectPatch": {"subjects"},
	"ExamCreate": {"exams"}, "ExamPatch": {"exams"}, "ExamPaperInput": {"exam_papers"}, "GradingBand": {"grading_bands"},
	"ExamResultEntries": {"exam_publications"}, "ExamResultEntry": {"exam_results"},
	"StudentAdmission": {"students", "enrollments", "users"}, "StudentPatch": {"students", "users"},
	"Withdrawal": {"enrollments"}, "Transfer": {"enrollments", "students"},
	"TeacherAssignment": {"teaching_assignments"},
	"TermInput":         {"terms"}, "HolidayInput": {"holidays"}, "MarkInput": {"attendance_marks"},
	"UserCreate": {"users"}, "UserPatch": {"users"}, "RoleAssignmentInput": {"user_roles"},
	"RoleCreate": {"roles"}, "RolePatch": {"roles"},
	"WebhookCreate": {"webhooks"}, "WebhookPatch": {"webhooks"},
	"GuardianInput": {"guardians", "student_guardians"}, "GuardianUpdate": {"guardians", "student_guardians"},
}

// shown are the schemas of answers that are rows.
var shown = map[string][]string{
	"Institution": {"institutions"}, "AcademicYear": {"academic_years"}, "SchoolClass": {"classes"}, "Section": {"sections"}, "Subject": {"subjects"},
	"Term": {"terms"}, "Holiday": {"holidays"}, "RegisterEntry": {"attendance_marks", "students"}, "StudentAttendance": {"attendance_marks"}, "Correction": {"attendance_corrections", "students"},
	"Exam": {"exams"}, "ExamPaper": {"exam_papers"}, "ExamResult": {"exam_results", "students", "enrollments"}, "ExamPublication": {"exam_publications"},
	"ReportCard": {"report_cards"},
	"Teacher":    {"teaching_assignments", "users"}, "Student": {"students", "users"}, "Enrollment": {"enrollments"}, "Guardian": {"guardians", "student_guardians"},
	"SessionSummary": {"sessions"}, "SessionUser": {"users"}, "User": {"users"}, "RoleAssignment": {"user_roles"}, "Role": {"roles"},
	"AuditEvent": {"audit_events"},
	"Webhook":    {"webhooks"}, "WebhookDelivery": {"webhook_deliveries"},
}

// transient are the schemas of requests that are stored nowhere as they are.
var transient = map[string]string{
	"LoginRequest": "compared", "MfaCode": "compared", "MfaVerification": "compared", "PasswordChange": "hashed", "StudentAdmissions": "a list of StudentAdmission",
	"GuardianReplacement": "a list of GuardianUpdate", "TeacherReplacement": "a list of TeacherAssignment",
	"AuditVerificationInput": "compared", "AuditHead": "compared",
	"CalendarReplacement": "lists of TermInput and HolidayInput", "RegisterMarks": "a list of MarkInput",
	"RoleAssignments": "a list of RoleAssignmentInput", "ExamPaperReplacement": "a list of ExamPaperInput",
	"GradingScaleReplacement": "a list of GradingBand",
}

// apart are the properties that have no column of their name, or one that differs on purpose.
var apart = map[string]string{
	"StudentAdmission.aadharNumber": "sealed", "StudentPatch.aadharNumber": "sealed", "Student.aadharNumber": "shown masked",
	"StudentAdmission.guardians":     "rows of GuardianInput",
	"StudentAdmission.admissionDate": "today when absent",
	"StudentAdmission.overbook":      "a wish", "Transfer.overbook": "a wish",
	"InstitutionCreate.timeZone": "the document knows the zones", "InstitutionPatch.timeZone": "the document knows the zones",
	"TeacherAssignment.subjectIds": "rows of subject_assignments", "Teacher.subjectIds": "rows of subject_assignments",
	"HolidayInput.endDate":     "the first day when absent",
	"RegisterEntry.rollNumber": "of the enrollment", "RegisterEntry.corrections": "versions but the first", "StudentAttendance.corrections": "versions but the first",
	"RegisterEntry.status": "none before the student is marked", "RegisterEntry.markedBy": "none before the student is marked", "RegisterEntry.markedAt": "none before the student is marked",
	"Correction.before": "status and note", "Correction.after": "new status and new note", "Correction.correctedBy": "a user, with the name",
	"Student.enrollment":     "a row of Enrollment",
	"Withdrawal.endedOn":     "today when absent; null while the enrollment is open",
	"Transfer.institutionId": "the present one when absent", "Transfer.startedOn": "today when absent",
	"Transfer.admissionNumber": "the present one when absent",
	"SessionSummary.isCurrent": "whether it is the session that asks",
	"UserCreate.email":         "a student may have none", "UserPatch.email": "who has one keeps one",
	"UserCreate.password": "hashed", "UserCreate.roles": "rows of user_roles", "User.roles": "rows of user_roles",
	"RoleAssignmentInput.roleId": "a built-in role has its name instead", "RoleAssignment.roleId": "a built-in role has its name instead",
	"RoleAssignment.role": "one of the school's own has its id instead", "Role.isBuiltIn": "whether it has no row",
	"Role.createdAt": "a built-in role has none", "Role.updatedAt": "a built-in role has none",
	"ExamPaper.subjectName": "of the subject", "ExamResultEntries.results": "rows of ExamResultEntry",
	"ExamResult.gradedBy": "nobody while there is no result", "ExamResult.gradedAt": "never while there is no result",
	"WebhookDelivery.eventType": "of outbox_events", "WebhookDelivery.nextAttemptAt": "only while it is pending",
	"SessionUser.email": "who signs in has one", "SessionUser.roles": "rows of user_roles", "SessionUser.permissions": "from the roles",
}

func TestAgreement_everySchemaOfARequestIsKnown(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	for name := range requestSchemas(c) {
		_, isStored := stored[name]
		_, isTransient := transient[name]
		assert.NotEqual(t, isStored, isTransient, "%s: say in stored where it is kept, or in transient why it is not", name)
	}
}

// requestSchemas are the names of the objects that request bodies consist of.
func requestSchemas(c *contract.Contract) map[string]bool {
	names := map[string]bool{}
	var visit func(ref *openapi3.SchemaRef)
	visit = func(ref *openapi3.SchemaRef) {
		if ref == nil {
			return
		}
		if name, ok := strings.CutPrefix(ref.Ref, "#/components/schemas/"); ok && len(ref.Value.Properties) > 0 {
			names[name] = true
		}
		for _, property := range ref.Value.Properties {
			visit(property)
		}
		visit(ref.Value.Items)
	}
	for _, op := range c.Operations {
		if op.Spec.RequestBody == nil {
			continue
		}
		for _, content := range op.Spec.RequestBody.Value.Content {
			visit(content.Schema)
		}
	}
	return names
}

func TestAgreement_whatTheDocumentTakesTheTablesTake(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	d := dbtest.New(t)
	p := newProber(t, d, db.SchemaName(d.Tenant(t, "agreement").ID))
	all := maps.Clone(stored)
	maps.Copy(all, shown)
	probed := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		ref := c.Document.Components.Schemas[name]
		require.NotNil(t, ref, "%s is no schema of the document", name)
		for property, schema := range ref.Value.Properties {
			if apart[name+"."+property] != "" {
				continue
			}
			col, ok := p.column(all[name], property)
			if !assert.True(t, ok, "%s.%s has no column in %v: say in apart why", name, property, all[name]) {
				continue
			}
			probed += p.compare(place{name, property}, ref.Value, schema.Value, col)
		}
	}
	t.Logf("%d values tried on the document and on the tables: the same answers", probed)
	require.Greater(t, probed, 300)
}

// What x-pii marks is masked in the audit trail, by its kind or as a whole.
func TestAgreement_whatIsPersonalIsMaskedInTheTrail(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	d := dbtest.New(t)
	p := newProber(t, d, db.SchemaName(d.Tenant(t, "agreement").ID))
	_, err = p.conn.Exec(t.Context(), "set search_path = "+p.schema)
	require.NoError(t, err)
	rows, err := p.conn.Query(t.Context(), `select a.audited || '.' || c.own, c.mask from audited_tables() a, unnest(a.own::text[], a.masks) c (own, mask)`)
	require.NoError(t, err)
	masks := map[string]string{}
	var column, mask string
	_, err = pgx.ForEachRow(rows, []any{&column, &mask}, func() error { masks[column] = mask; return nil })
	require.NoError(t, err)
	all, personal := maps.Clone(stored), 0
	maps.Copy(all, shown)
	for name, tables := range all {
		for property, schema := range c.Document.Components.Schemas[name].Value.Properties {
			kind, marked := schema.Value.Extensions["x-pii"].(string)
			col, kept := p.column(tables, property)
			if !marked || !kept {
				continue
			}
			personal++
			assert.Contains(t, []string{kind, "hidden", "never", ""}, masks[col.Table+"."+col.Name], "%s.%s: say so in the comment of %s.%s", name, property, col.Table, col.Name)
		}
	}
	t.Logf("%d personal properties that are kept, all masked", personal)
	require.Greater(t, personal, 10)
}

func TestAgreement_everyExceptionIsOne(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	for property := range apart {
		schema, name, _ := strings.Cut(property, ".")
		require.Contains(t, c.Document.Components.Schemas, schema)
		assert.Contains(t, c.Document.Components.Schemas[schema].Value.Properties, name)
	}
}

func TestAgreement_customFieldsHaveTheSameBoundsInBoth(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	d := dbtest.New(t)
	p := newProber(t, d, db.SchemaName(d.Tenant(t, "agreement").ID))
	col, ok := p.column([]string{"students"}, "customFields")
	require.True(t, ok)
	documents := map[string]string{"empty": `{}`, "a list": `[]`, "a text": `"x"`, "null": `null`}
	for _, n := range []int{1, 49, 50, 51, 200} {
		documents[fmt.Sprintf("%d names", n)] = names(n)
	}
	for n := 1; n <= 5; n++ {
		documents[fmt.Sprintf("%d objects deep", n)] = strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
		documents[fmt.Sprintf("%d empty objects deep", n)] = strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1)
		documents[fmt.Sprintf("a list %d deep", n)] = `{"a":` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + "}"
	}
	for name, document := range documents {
		_, err := c.CheckSchema("CustomFields", json.RawMessage(document))
		assert.Equal(t, err == nil, p.takes(col, document), "%s: the document says %v", name, err)
	}
	long := func(n int) string { return `{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}` }
	_, err = c.CheckSchema("CustomFields", json.RawMessage(long(16384)))
	require.NoError(t, err)
	assert.True(t, p.takes(col, long(16384)))
	_, err = c.CheckSchema("CustomFields", json.RawMessage(long(16385)))
	require.Error(t, err)
	assert.False(t, p.takes(col, long(32769)), "jsonb prints with blanks, so the column allows more, but not without end")
}

func names(n int) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"n%d":%d`, i, i)
	}
	return "{" + strings.Join(fields, ",") + "}"
}
