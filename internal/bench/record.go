package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	openapi_types "github.com/oapi-codegen/runtime/types"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// recorder keeps the statements that go through it.
type recorder struct {
	gendb.DBTX

	statements []recorded
}

type recorded struct {
	sql  string
	args []any
}

func (r *recorder) keep(sql string, args []any) {
	r.statements = append(r.statements, recorded{sql, args})
}

// Exec runs a statement and keeps it.
func (r *recorder) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r.keep(sql, args)
	return r.DBTX.Exec(ctx, sql, args...)
}

// Query runs a query and keeps it.
func (r *recorder) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	r.keep(sql, args)
	return r.DBTX.Query(ctx, sql, args...)
}

// QueryRow runs a query and keeps it.
func (r *recorder) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	r.keep(sql, args)
	return r.DBTX.QueryRow(ctx, sql, args...)
}

// SendBatch runs a batch and keeps its statements.
func (r *recorder) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		r.keep(q.SQL, q.Arguments)
	}
	return r.DBTX.SendBatch(ctx, b)
}

// variable is a value of a recorded statement that a script has another one for each time. Values are found by their text, also
// as a part of another one.
type variable struct {
	value string
	sql   string // an expression of type text
}

var (
	comment   = regexp.MustCompile(`(?m)^\s*--.*\n?`)
	parameter = regexp.MustCompile(`\$(\d+)`)
)

// script is the statement for pgbench, with the values in it.
func (r recorded) script(variables []variable) string {
	text := comment.ReplaceAllString(r.sql, "")
	text = parameter.ReplaceAllStringFunc(text, func(p string) string {
		var n int
		_, _ = fmt.Sscanf(p, "$%d", &n) // it is a number
		return literal(r.args[n-1], variables)
	})
	return strings.TrimSpace(text) + ";\n"
}

// literal is SQL for a value.
func literal(value any, variables []variable) string {
	v := reflect.ValueOf(value)
	for v.IsValid() && v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice) && v.IsNil() {
		return "null"
	}
	switch x := v.Interface().(type) {
	case uuid.UUID:
		return quoted(x.String(), "uuid", variables)
	case openapi_types.Date:
		return quoted(x.String(), "date", variables)
	case json.RawMessage:
		return quoted(string(x), "jsonb", variables)
	case []uuid.UUID, []string, []int32, [][]byte:
		return array(v, variables)
	}
	if v.Kind() == reflect.String {
		return quoted(v.String(), "text", variables)
	}
	return fmt.Sprint(v.Interface())
}

func array(v reflect.Value, variables []variable) string {
	elements := make([]string, v.Len())
	for i := range elements {
		elements[i] = literal(v.Index(i).Interface(), variables)
	}
	of := map[reflect.Type]string{
		reflect.TypeFor[[]uuid.UUID](): "uuid", reflect.TypeFor[[]string](): "text", reflect.TypeFor[[]int32](): "integer", reflect.TypeFor[[][]byte](): "bytea",
	}[v.Type()]
	return "array[" + strings.Join(elements, ", ") + "]::" + of + "[]"
}

// quoted is a text with the variables in it put together.
func quoted(text, of string, variables []variable) string {
	text = "'" + strings.ReplaceAll(text, "'", "''") + "'"
	for _, v := range variables {
		text = strings.ReplaceAll(text, v.value, "'||"+v.sql+"||'")
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "''||"), "||''")
	return "(" + text + ")::" + of
}
