package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// place is a property of a schema.
type place struct{ schema, property string }

func (p place) String() string { return p.schema + "." + p.property }

// column is what the catalogue says of a column.
type column struct {
	Table, Name, Type   string
	NotNull, HasDefault bool
	Checks              []string // definitions of the constraints on this column alone
}

// prober tries values on columns.
type prober struct {
	t       *testing.T
	conn    *pgx.Conn
	schema  string
	columns map[string]column
	probes  map[string]bool // the tables made for trying
}

const columnsOf = `select c.relname::text, a.attname::text, format_type(a.atttypid, null), a.attnotnull, a.atthasdef,
	array(select pg_get_constraintdef(k.oid) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum])
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where n.nspname = $1 and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped`

func newProber(t *testing.T, d *dbtest.Database, schema string) *prober {
	t.Helper()
	p := &prober{t: t, conn: d.Conn(t), schema: schema, columns: map[string]column{}, probes: map[string]bool{}}
	rows, err := p.conn.Query(t.Context(), columnsOf, schema)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	require.NoError(t, err)
	for _, col := range all {
		p.columns[col.Table+"."+col.Name] = col
	}
	return p
}

var capital = regexp.MustCompile(`[A-Z]`)

func (p *prober) column(tables []string, property string) (column, bool) {
	name := capital.ReplaceAllStringFunc(property, func(s string) string { return "_" + strings.ToLower(s) })
	for _, table := range tables {
		if col, ok := p.columns[table+"."+name]; ok {
			return col, true
		}
	}
	return column{}, false
}

// compare holds a property against its column, and returns how many values were tried.
func (p *prober) compare(at place, object, property *openapi3.Schema, col column) int {
	p.compareAbsence(at, object, property, col)
	if isShown := shown[at.schema] != nil; isShown && len(property.Enum) == 0 {
		return 0 // answers show what is there; only their enums must be whole
	}
	candidates := candidatesFor(property, col)
	for _, value := range candidates {
		inDocument := property.VisitJSON(value, openapi3.EnableFormatValidation()) == nil
		assert.Equal(p.t, inDocument, p.takes(col, value), "%s (document) and %s.%s (table) of %s", at, col.Table, col.Name, brief(value))
	}
	return len(candidates)
}

// compareAbsence holds what may be left out, or null, against the column.
func (p *prober) compareAbsence(at place, object, property *openapi3.Schema, col column) {
	required := slices.Contains(object.Required, at.property)
	switch {
	case shown[at.schema] != nil, strings.HasSuffix(at.schema, "Update"):
		assert.Equal(p.t, col.NotNull, required || property.Default != nil || at.property == "id", "%s: an answer always has what the column always has", at)
	case strings.HasSuffix(at.schema, "Patch"):
		assert.Equal(p.t, !col.NotNull, property.Nullable, "%s: null empties the column, if it may be empty", at)
	case property.Default != nil:
		assert.True(p.t, col.NotNull, "%s: has a default, so the column is never empty", at)
	default:
		assert.Equal(p.t, required, col.NotNull && !col.HasDefault, "%s: may be left out just when the column may be empty", at)
	}
}

// candidatesFor are values about every limit of the property and of the column.
func candidatesFor(property *openapi3.Schema, col column) []any {
	switch {
	case property.Type.Is("integer"):
		return integersAbout(property, col)
	case property.Type.Is("string") && col.Type == "text":
		return textsAbout(property, col)
	case property.Type.Is("string") && col.Type == "numeric":
		return decimals
	case property.Type.Is("array") && col.Type == "text[]":
		return listsAbout(property, col)
	}
	return nil // types without limits of their own: uuid, date, boolean, jsonb (which has its own test)
}

var (
	number = regexp.MustCompile(`-?\d+`)
	quoted = regexp.MustCompile(`'([^']*)'`)
)

// decimals are numbers about every limit that marks and their like have; how one is spelt is the document's to say alone.
var decimals = []any{
	"-1", "-0.01", "0", "0.00", "0.001", "0.005", "0.01", "0.1", "0.10", "0.99", "1", "1.00", "33.33", "33.333", "66.67", "99.99", "99.994",
	"100", "100.00", "100.01", "101", "999", "1000", "9999", "9999.99", "9999.994", "9999.999", "10000", "99999.99",
}

func integersAbout(property *openapi3.Schema, col column) []any {
	var all []any
	about := func(n float64) { all = append(all, n-1, n, n+1) }
	if property.Min != nil {
		about(*property.Min)
	}
	if property.Max != nil {
		about(*property.Max)
	}
	for _, n := range number.FindAllString(strings.ReplaceAll(strings.Join(col.Checks, " "), "'", " "), -1) {
		var limit float64
		if _, err := fmt.Sscan(n, &limit); err == nil {
			about(limit)
		}
	}
	return all
}

func textsAbout(property *openapi3.Schema, col column) []any {
	lengths := map[int]bool{0: true, 1: true, 2: true}
	about := func(n int) {
		for _, n := range []int{n - 1, n, n + 1} {
			if n >= 0 && n < 2000 {
				lengths[n] = true
			}
		}
	}
	about(int(property.MinLength))
	if property.MaxLength != nil {
		about(int(*property.MaxLength))
	}
	for _, n := range number.FindAllString(property.Pattern+" "+strings.Join(col.Checks, " "), -1) {
		var limit int
		if _, err := fmt.Sscan(n, &limit); err == nil {
			about(limit)
		}
	}
	texts := []string{"no such", "A B", "x'y", "a_b", "{}", "Ω"}
	for _, enum := range property.Enum {
		texts = append(texts, enum.(string), strings.ToUpper(enum.(string)), enum.(string)+"x")
	}
	for _, m := range quoted.FindAllStringSubmatch(strings.Join(col.Checks, " "), -1) {
		texts = append(texts, m[1])
	}
	for n := range lengths {
		for _, fill := range []string{"A", "a", "7", "-", "+", "(", ".", "é", "漢", " ", "\t", "\n", "\v", "\u00a0", "٣"} {
			texts = append(texts, strings.Repeat(fill, n))
		}
	}
	if property.Format == "email" {
		texts = emailsOf(lengths)
	}
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// listsAbout are an empty list, and lists of one text about every limit of the items.
func listsAbout(property *openapi3.Schema, col column) []any {
	all := []any{[]any{}}
	for _, text := range textsAbout(property.Items.Value, col) {
		all = append(all, []any{text})
	}
	return all
}

// emailsOf are well-formed addresses of these lengths: whether one is well-formed is the document's to say alone.
func emailsOf(lengths map[int]bool) []string {
	var all []string
	for n := range lengths {
		if rest := n - len("a@.org"); rest > 0 {
			domain := strings.Repeat("bcdefghij.", rest/10+1)[:rest]
			all = append(all, "a@"+strings.TrimSuffix(domain, ".")+strings.Repeat("k", len(domain)-len(strings.TrimSuffix(domain, ".")))+".org")
		}
	}
	return all
}

// takes reports whether the column would take the value, its other constraints being met.
func (p *prober) takes(col column, value any) bool {
	table := p.probe(col)
	ctx := p.t.Context()
	_, err := p.conn.Exec(ctx, "insert into "+table+" ("+col.Name+") values ($1"+cast[col.Type]+")", asArgument(value))
	if err == nil {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	require.True(p.t, ok && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23")), "%s.%s of %s: %v", col.Table, col.Name, brief(value), err)
	return false
}

// cast reads a column's values from text, where the document spells them as strings.
var cast = map[string]string{"numeric": "::text::numeric"}

func asArgument(value any) any {
	if n, ok := value.(float64); ok {
		return int64(n)
	}
	if list, ok := value.([]any); ok {
		texts := []string{}
		for _, item := range list {
			texts = append(texts, item.(string))
		}
		return texts
	}
	return value
}

// probe is a temporary copy of the column's table that has only this column and the checks on it alone.
func (p *prober) probe(col column) string {
	name := "probe_" + col.Table + "_" + col.Name
	if p.probes[name] {
		return name
	}
	p.probes[name] = true
	parts := append([]string{col.Name + " " + col.Type}, col.Checks...)
	statement := "create temp table " + name + " (" + strings.Join(parts, ", ") + ")"
	_, err := p.conn.Exec(p.t.Context(), statement)
	require.NoError(p.t, err, statement)
	return name
}

func brief(value any) string {
	if s, ok := value.(string); ok && len(s) > 40 {
		return fmt.Sprintf("%q... (%d characters)", []rune(s)[:5], len([]rune(s)))
	}
	return fmt.Sprintf("%#v", value)
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
