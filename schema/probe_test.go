package schema_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

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
