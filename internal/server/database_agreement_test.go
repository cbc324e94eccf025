package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/contract/violation"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// tablesOf says where what a request's schema describes is stored; none where it is not, or only what it contains is.
var tablesOf = map[string][]string{
	"AcademicYearCreate": {"academic_years"}, "AcademicYearPatch": {"academic_years"},
	"AuditHead": nil, "AuditVerificationInput": nil,
	"CalendarReplacement": nil, "TermInput": {"terms"}, "HolidayInput": {"holidays"},
	"ClassCreate": {"classes"}, "ClassPatch": {"classes"},
	"ExamCreate": {"exams"}, "ExamPatch": {"exams"},
	"ExamPaperReplacement": nil, "ExamPaperInput": {"exam_papers"},
	"ExamResultEntries": nil, "ExamResultEntry": {"exam_results"},
	"GradingScaleReplacement": nil, "GradingBand": {"grading_bands"},
	"GuardianInput": {"guardians", "student_guardians"}, "GuardianReplacement": nil, "GuardianUpdate": {"guardians", "student_guardians"},
	"InstitutionCreate": {"institutions"}, "InstitutionPatch": {"institutions"},
	"LoginRequest": nil, "MfaCode": nil, "MfaVerification": nil, "PasswordChange": nil,
	"RegisterMarks": nil, "MarkInput": {"attendance_marks"},
	"RoleCreate": {"roles"}, "RolePatch": {"roles"}, "RoleAssignments": nil, "RoleAssignmentInput": {"user_roles"},
	"SectionCreate": {"sections"}, "SectionPatch": {"sections"},
	"StudentAdmission": {"students", "users", "enrollments"}, "StudentAdmissions": nil, "StudentPatch": {"students", "users"},
	"SubjectCreate": {"subjects"}, "SubjectPatch": {"subjects"},
	"TeacherReplacement": nil, "TeacherAssignment": {"teaching_assignments"},
	"Transfer": {"enrollments", "students"}, "Withdrawal": {"enrollments"},
	"UserCreate": {"users"}, "UserPatch": {"users"},
	"WebhookCreate": {"webhooks"}, "WebhookPatch": {"webhooks"},
}

// notColumns are members that have no column of their own, and why.
var notColumns = map[string]string{
	"StudentAdmission.aadharNumber": "sealed, with a digest and the last four digits",
	"StudentPatch.aadharNumber":     "sealed, with a digest and the last four digits",
	"StudentAdmission.overbook":     "a wish", "Transfer.overbook": "a wish",
	"StudentAdmission.guardians": "rows", "UserCreate.roles": "rows", "TeacherAssignment.subjectIds": "rows",
	"UserCreate.password": "hashed",
}

// filledIn are members that may be left out of a request where their column may not be null, or the reverse, and why.
var filledIn = map[string]string{
	"GuardianUpdate.id":      "a new guardian gets one",
	"HolidayInput.endDate":   "the first day",
	"Transfer.institutionId": "the one before", "Transfer.admissionNumber": "the one before", "Transfer.startedOn": "today",
	"StudentAdmission.admissionDate": "today",
	"RoleAssignmentInput.roleId":     "a built-in role has no row, and is stored by its name",
	"UserCreate.email":               "only who signs in must have one", "UserPatch.email": "only who signs in must have one",
}

// What the document promises of a value and what the database takes are the same: for every keyword of every stored member of a
// request, the values that just keep it are taken and those that break it are refused, and what may be null or left out may be null.
func TestDatabase_takesWhatTheDocumentTakesAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	values, probe := violation.Values(h.contract), newColumnProbe(t, h)
	schemas := requestObjects(h.contract)
	assert.ElementsMatch(t, slices.Collect(maps.Keys(tablesOf)), slices.Collect(maps.Keys(schemas)), "tablesOf says where each is stored")
	tried := 0
	for name, schema := range schemas {
		for member, ref := range schema.Properties {
			where := name + "." + member
			column, found := probe.column(tablesOf[name], member)
			if _, explained := notColumns[where]; !found {
				assert.True(t, explained || len(tablesOf[name]) == 0, "%s is stored nowhere: notColumns says why", where)
				continue
			}
			assertNullable(t, where, schema, member, column)
			for _, v := range stored(ref.Value, column, values) {
				tried++
				if err := probe.take(t, column, v.Value); (err == nil) != v.Keeps {
					assert.Fail(t, "the document and the database do not agree", "%s, %s: %s takes %.80v: %v (%v)", where, v.Keyword, column, v.Value, err == nil, err)
				}
			}
		}
	}
	t.Logf("%d values of %d schemas", tried, len(schemas))
}

func assertNullable(t *testing.T, where string, schema *openapi3.Schema, member string, c column) {
	t.Helper()
	value, isPatch := schema.Properties[member].Value, strings.Contains(where, "Patch.")
	fromSpec, fromColumn := value.Nullable, !c.notNull
	if !isPatch { // what a request leaves out is null, or the default
		fromSpec = value.Nullable || !slices.Contains(schema.Required, member)
		fromColumn = fromColumn || c.hasDefault || value.Default != nil
	}
	_, explained := filledIn[where]
	assert.Equal(t, explained, fromSpec != fromColumn, "%s may be left out or taken away: %v; %s may be null or has a default: %v", where, fromSpec, c, fromColumn)
}

// stored are the values of a member that a column is tried with: of a list those with one such item, and lists as long as may be.
func stored(schema *openapi3.Schema, c column, values func(*openapi3.Schema) []violation.Value) []violation.Value {
	var all []violation.Value
	if schema.Type.Is(openapi3.TypeArray) {
		for _, v := range values(schema.Items.Value) {
			all = append(all, violation.Value{Keyword: "items/" + v.Keyword, Value: []any{v.Value}, Keeps: v.Keeps})
		}
		if schema.MinItems > 0 {
			all = append(all, violation.Value{Keyword: "minItems", Value: []any{}})
		}
	} else {
		all = values(schema)
	}
	return slices.DeleteFunc(all, func(v violation.Value) bool {
		// Whether a text is an e-mail address or a day lies ahead is not for a column to know, and neither is how a number is written.
		return !v.Keeps && (v.Keyword == "format" || v.Keyword == "future" || v.Keyword == "maxLength" && c.kind == "numeric")
	})
}

// requestObjects are the objects that requests are made of, by the name of their schema.
func requestObjects(c *contract.Contract) map[string]*openapi3.Schema {
	found := map[string]*openapi3.Schema{}
	var walk func(ref *openapi3.SchemaRef)
	walk = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil {
			return
		}
		if len(ref.Value.Properties) > 0 {
			found[ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]] = ref.Value
		}
		walk(ref.Value.Items)
		for _, p := range ref.Value.Properties {
			walk(p)
		}
	}
	for _, op := range c.Operations {
		if op.Spec.RequestBody != nil {
			walk(op.Spec.RequestBody.Value.Content["application/json"].Schema)
		}
	}
	return found
}

type column struct {
	table, name, kind   string
	notNull, hasDefault bool
}

func (c column) String() string { return c.table + "." + c.name }

// columnProbe tries single values in copies of the tables, with their checks, where every other column is null.
type columnProbe struct {
	conn    *pgx.Conn
	columns map[string]column // by table.column
}

func newColumnProbe(t *testing.T, h *harness) columnProbe {
	t.Helper()
	p := columnProbe{h.db.Conn(t), map[string]column{}}
	schema := db.SchemaName(seed.DemoTenant)
	rows, err := p.conn.Query(t.Context(), `select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
		where c.relnamespace = $1::regnamespace and c.relkind = 'r'`, schema)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c column, err error) {
		return c, row.Scan(&c.table, &c.name, &c.kind, &c.notNull, &c.hasDefault)
	})
	require.NoError(t, err)
	for _, c := range all {
		p.columns[c.String()] = c
	}
	for _, table := range slices.Compact(slices.Sorted(maps.Values(tableNames(all)))) {
		p.exec(t, fmt.Sprintf(`create temp table probe_%[1]s (like %[2]s.%[1]s including constraints)`, table, schema))
		p.exec(t, fmt.Sprintf(`do $$ declare c text; begin for c in select attname from pg_attribute where attrelid = 'probe_%[1]s'::regclass and attnum > 0 and attnotnull
			loop execute format('alter table probe_%[1]s alter column %%I drop not null', c); end loop; end $$`, table))
	}
	return p
}

func tableNames(all []column) map[string]string {
	names := map[string]string{}
	for _, c := range all {
		names[c.String()] = c.table
	}
	return names
}

func (p columnProbe) exec(t *testing.T, sql string) {
	t.Helper()
	_, err := p.conn.Exec(t.Context(), sql)
	require.NoError(t, err, sql)
}

// column is the first of the tables' columns that a member of the API is named after.
func (p columnProbe) column(tables []string, member string) (column, bool) {
	var name strings.Builder
	for _, r := range member {
		if r >= 'A' && r <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteString(strings.ToLower(string(r)))
	}
	for _, table := range tables {
		if c, found := p.columns[table+"."+name.String()]; found {
			return c, true
		}
	}
	return column{}, false
}

// take is the error of a value in a column; none of a check that looks at other columns too.
func (p columnProbe) take(t *testing.T, c column, value any) error {
	t.Helper()
	literal, argument := "$1::text::"+c.kind, fmt.Sprint(value)
	if f, isNumber := value.(float64); isNumber {
		argument = fmt.Sprintf("%.0f", f)
	}
	if list, isList := value.([]any); isList {
		raw, err := json.Marshal(list)
		require.NoError(t, err)
		literal, argument = "array(select jsonb_array_elements_text($1::text::jsonb))::"+c.kind, string(raw)
	}
	_, err := p.conn.Exec(t.Context(), fmt.Sprintf(`insert into probe_%s (%s) values (%s)`, c.table, pgx.Identifier{c.name}.Sanitize(), literal), argument)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "23514" && p.columnsOf(t, c.table, e.ConstraintName) > 1 {
		return nil
	}
	return err
}

func (p columnProbe) columnsOf(t *testing.T, table, constraint string) (n int) {
	t.Helper()
	require.NoError(t, p.conn.QueryRow(t.Context(), `select cardinality(conkey) from pg_constraint where conrelid = ('probe_' || $1)::regclass and conname = $2`, table, constraint).Scan(&n))
	return n
}
