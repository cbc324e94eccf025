package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// viewer is a caller whose view is limited, and who may do everything in it. What the view contains is said here by hand,
// in the numbers of the demo (internal/seed), table by table.
type viewer struct {
	user        string
	institution string           // an administrator of this one alone, in the place of user
	sees        map[string][]int // nil: everything of the tenant
}

var viewers = map[string]viewer{
	"admin": {user: demoUsers["admin"]},
	"teacher": {user: demoUsers["teacher"], sees: map[string][]int{
		"institutions": {101}, "academic_years": {201, 202}, "classes": {301, 302}, "sections": {401, 403}, "exams": {1201, 1202, 1203, 1205}, "subjects": {1001, 1002, 1003, 1004, 1005, 1006},
		"students": taught(600), "guardians": taught(800),
	}},
	"guardian": {user: demoUsers["guardian"], sees: map[string][]int{
		"institutions": {101}, "academic_years": {201}, "classes": {302}, "sections": {403}, "exams": {1201, 1202}, "subjects": {1001, 1002, 1003, 1004, 1005, 1006}, "students": {601}, "guardians": {801},
	}},
	"admin of one institution": {institution: lakeCampus, sees: map[string][]int{
		"institutions": {102}, "academic_years": {203}, "classes": {304, 305}, "sections": {406, 407}, "exams": {}, "subjects": {1007, 1008, 1009},
		"students": {621, 622, 623, 624}, "guardians": {821, 822, 823, 824},
	}},
}

// taught are the rows of the students of the teacher, of so many hundreds.
func taught(hundred int) []int {
	var rows []int
	for _, run := range [][2]int{{hundred + 1, hundred + 6}, {hundred + 11, hundred + 14}, {10*hundred + 25, 10*hundred + 43}, {10*hundred + 65, 10*hundred + 85}} {
		for n := run[0]; n <= run[1]; n++ {
			rows = append(rows, n)
		}
	}
	return rows
}

func demoRow(n int) string { return fmt.Sprintf("01900000-0000-7000-8000-%012d", n) }

// tableOf is the table that an id of this name is of; empty when it is none.
func (v *view) tableOf(name string) string {
	singular, isID := strings.CutSuffix(strings.TrimSuffix(name, "s[]"), "Id")
	if !isID {
		return ""
	}
	var snake strings.Builder
	for _, r := range singular {
		if r >= 'A' && r <= 'Z' {
			snake.WriteByte('_')
		}
		snake.WriteString(strings.ToLower(string(r)))
	}
	name = snake.String()
	for _, table := range []string{name + "s", name + "es", strings.TrimSuffix(name, "y") + "ies", name} {
		if slices.Contains(v.tables, table) {
			return table
		}
	}
	return ""
}

// view is a viewer at work, on a school of their own.
type view struct {
	*harness
	viewer

	token   string
	tables  []string          // of the tenant, with an id
	another map[string]string // by table: an id that only another tenant has
	unknown string
}

// permissive is the document with all permissions for every role, so that nothing but the view limits a viewer.
var permissive = sync.OnceValues(func() (*contract.Contract, error) {
	c, err := document()
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(c.JSON, &doc); err != nil {
		return nil, err
	}
	all := slices.Sorted(maps.Keys(c.Permissions))
	for _, role := range doc["x-roles"].(map[string]any) {
		role.(map[string]any)["permissions"] = all
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return contract.Compile(raw)
})

func newView(t *testing.T, v viewer) *view {
	t.Helper()
	c, err := permissive()
	require.NoError(t, err)
	h := newHarnessOf(t, c, dbtest.NewFrom(t, "demo", seedDemo), db.Config{MaxConns: 4})
	if v.institution != "" {
		v.user = h.userWith(assigned{role: "admin", institution: v.institution})
	}
	h.token("teacher") // sessions of others
	h.token("guardian")
	w := &view{harness: h, viewer: v, token: h.tokenIn(seed.DemoTenant, v.user, time.Hour), another: map[string]string{}, unknown: uuid.NewString()}
	w.tables = dbtest.Values[string](t, h.db, `select table_name::text from information_schema.columns
		where table_schema = $1 and column_name = 'id' and data_type = 'uuid' order by 1`, h.schema())
	w.renumberTheOtherTenant()
	w.plantCanaries()
	return w
}

// renumberTheOtherTenant gives a row of each of its tables an id that the demo does not have: the two have equal ones.
func (v *view) renumberTheOtherTenant() {
	conn := v.db.Conn(v.t)
	_, err := conn.Exec(v.t.Context(), "set session_replication_role = replica; set search_path = "+db.SchemaName(seed.Demo2Tenant))
	require.NoError(v.t, err)
	for _, table := range v.tables {
		if table == "student_records" {
			continue
		}
		v.another[table] = uuid.NewString()
		_, err := conn.Exec(v.t.Context(), `update `+table+` set id = $1 where id = (select id from `+table+` order by id desc limit 1)`, v.another[table])
		require.NoError(v.t, err, table)
	}
}

// plantCanaries renames everything out of the viewer's sight.
func (v *view) plantCanaries() {
	for table, column := range map[string]string{
		"institutions": "name", "academic_years": "name", "classes": "name", "sections": "name", "subjects": "name", "exams": "name", "students": "last_name", "guardians": "last_name",
	} {
		v.db.Exec(v.t, `update `+v.schema()+`.`+table+` set `+column+` = 'Canary ' || right(id::text, 3) where id = any($1)`, v.outOfSight(table))
	}
}

// outOfSight are the ids of the tenant's rows in a table that the viewer must not see.
func (v *view) outOfSight(table string) []string {
	sql := `select id::text from ` + v.schema() + `.` + table + ` where false`
	if seen, limited := v.sees[table]; limited {
		ids := make([]string, len(seen))
		for i, n := range seen {
			ids[i] = demoRow(n)
		}
		sql = `select id::text from ` + v.schema() + `.` + table + ` where id <> all('{` + strings.Join(ids, ",") + `}') order by id`
	}
	if table == "sessions" {
		// Neither the viewer's nor those of the user in the examples of paths.
		sql = `select id::text from ` + v.schema() + `.sessions where user_id not in ('` + v.user + `', '` + demoUsers["registrar"] + `')`
	}
	return dbtest.Values[string](v.t, v.db, sql)
}

// foreign are the ids that must be answered as unknown ones are.
func (v *view) foreign(table string) []string {
	ids := v.outOfSight(table)
	if id := v.another[table]; id != "" {
		ids = append(ids, id)
	}
	return ids
}

func (v *view) send(method, path string, body any) answer {
	v.t.Helper()
	return v.do(call{Method: method, Path: path, Body: body, Token: v.token})
}

// bytesOf is an answer without what is made anew for each.
func bytesOf(a answer) string {
	id, _ := a.get("requestId").(string)
	if id == "" {
		id = "none"
	}
	return fmt.Sprint(a.Status, " ", a.Header.Get("Content-Type"), " ", a.Header.Get("ETag"), " ", strings.ReplaceAll(string(a.Raw), id, ""))
}

// forEachView runs a test for every viewer, and says afterwards how many pairs it has seen.
func forEachView(t *testing.T, what string, test func(v *view) int) {
	t.Helper()
	var pairs atomic.Int64
	for name, who := range viewers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newView(t, who)
			before, beforeOther := v.digest(), v.digestOf(db.SchemaName(seed.Demo2Tenant))
			pairs.Add(int64(test(v)))
			assert.Equal(t, before, v.digest(), "something was written")
			assert.Equal(t, beforeOther, v.digestOf(db.SchemaName(seed.Demo2Tenant)), "something of another tenant was written")
			assert.NotContains(t, v.log.String(), "level=ERROR")
		})
	}
	t.Cleanup(func() { t.Logf("operation x foreign id %s: %d pairs, 0 leaks", what, pairs.Load()) })
}

// operations are those that the viewer can call at all: what concerns the whole tenant is closed to a limited one
// (TestAccess_everyRoleMayDoExactlyWhatTheDocumentSays).
func (v *view) operations() []*contract.Operation {
	var all []*contract.Operation
	for _, id := range slices.Sorted(maps.Keys(v.contract.Operations)) {
		op := v.contract.Operations[id]
		closed := op.Public || op.WholeTenant && v.sees != nil
		if !closed && id != "logout" && id != "changePassword" {
			all = append(all, op)
		}
	}
	return all
}

// bodies are the request's examples; one nil for an operation without a body.
func (v *view) bodies(op *contract.Operation) []any {
	if op.Spec.RequestBody == nil {
		return []any{nil}
	}
	var all []any
	examples := op.Spec.RequestBody.Value.Content["application/json"].Examples
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		all = append(all, examples[name].Value.Value)
	}
	return all
}

func (v *view) path(op *contract.Operation, replaced, id string) string {
	path := op.Path
	for _, p := range pathParameters(v.contract, op) {
		value := firstExample(op, p)
		if seen := v.sees[v.tableOf(p.Name)]; len(seen) > 0 && !slices.ContainsFunc(seen, func(n int) bool { return demoRow(n) == value }) {
			value = demoRow(seen[0]) // one that the viewer sees, so that it is not the path that is refused
		}
		if p.Name == replaced {
			value = id
		}
		path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
	}
	return path
}
