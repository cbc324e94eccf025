package db

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// An optional filter is written `($1::uuid is null or class_id = $1)`. As one prepared statement for all requests it is a
// trap: in a plan that is made once, without arguments, `$1 is null or` keeps the server from using an index. So each combination of filters that are set is a statement of its own: a filter that is set becomes
// `($1::uuid is not null and class_id = $1)`, and one that is not `($1::uuid is null or false and class_id = $1)`, which
// the planner cuts off before it looks at the columns.
var optional = regexp.MustCompile(`\$(\d+)(::\w+(?:\[\])?)? is null\s+or\b`)

// Variant is the statement that runs in place of sql when the arguments (from 1) that isNull names are null, and whether it
// is planned anew for each execution. The server may keep one plan only where all filters that are set want a column equal to an id: ids are
// alike. Texts, flags, dates, ranges and cursors differ in how many rows they match; and without a filter the limit decides.
func Variant(sql string, isNull func(n int) bool) (text string, planEach bool) {
	ids, others := 0, 0
	text = optional.ReplaceAllStringFunc(sql, func(condition string) string {
		part := optional.FindStringSubmatch(condition)
		n, _ := strconv.Atoi(part[1])
		if isNull(n) {
			return "$" + part[1] + part[2] + " is null or false and"
		}
		if part[2] == "::uuid" && strings.Contains(filterOf(sql, condition), " = $"+part[1]+")") {
			ids++
		} else {
			others++
		}
		return "$" + part[1] + part[2] + " is not null and"
	})
	return text, text != sql && (ids == 0 || others > 0)
}

// filterOf is the line that follows a condition.
func filterOf(sql, condition string) string {
	_, rest, _ := strings.Cut(sql, condition)
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// variants are the statements made so far: a few for each generated query.
var variants sync.Map // variantKey -> variant

type variantKey struct {
	sql   string
	nulls uint64 // a bit for each argument
}

type variant struct {
	text     string
	planEach bool
}

// variantFor is the statement to run for a generated query and its arguments.
func variantFor(sql string, args []any) statement {
	if !strings.Contains(sql, " is null or ") && !strings.Contains(sql, " is null\n") {
		return statement{sql: sql, args: args}
	}
	key := variantKey{sql: sql}
	for i, arg := range args {
		if isNil(arg) {
			key.nulls |= 1 << i
		}
	}
	known, ok := variants.Load(key)
	if !ok {
		text, planEach := Variant(sql, func(n int) bool { return key.nulls>>(n-1)&1 == 1 })
		known, _ = variants.LoadOrStore(key, variant{text, planEach})
	}
	v := known.(variant) //nolint:forcetypeassert // nothing else is in the map
	return statement{sql: v.text, args: args, planEach: v.planEach}
}

func isNil(arg any) bool {
	switch v := reflect.ValueOf(arg); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	default:
		return false
	}
}
