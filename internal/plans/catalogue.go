package plans

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/queries"
)

// Query is one generated query.
type Query struct {
	Name string
	File string // of queries/, where it is written
	Text string // what gen/db sends to the server

	params     []string // names, by number from 1 at index 0
	exceptions []exception
}

// Catalogue lists every query of gen/db, by name. The text is taken from the generated methods by calling each one; what they do
// not keep, from queries/. It fails when the two do not belong together.
func Catalogue() ([]Query, error) {
	sources, err := readSources(queries.Files)
	if err != nil {
		return nil, err
	}
	var all []Query
	for text := range generatedTexts() {
		name := nameOf(text)
		source, ok := sources[name]
		if !ok {
			return nil, fmt.Errorf("gen/db has a query %q that is not in queries/: run make generate", name)
		}
		q := Query{Name: name, File: source.file, Text: text, exceptions: source.exceptions}
		if q.params, err = align(source.sql, text); err != nil {
			return nil, fmt.Errorf("query %s in queries/%s: %w", name, source.file, err)
		}
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b Query) int { return strings.Compare(a.File+a.Name, b.File+b.Name) })
	return all, nil
}

// generatedTexts calls every generated query on a database that only listens, and yields what it was sent.
func generatedTexts() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		ear := &listener{}
		q := reflect.ValueOf(gendb.New(ear))
		for _, method := range q.Methods() {
			if isQuery(method.Type()) {
				method.Call(argumentsFor(method.Type()))
			}
		}
		for _, text := range ear.heard {
			if !yield(text) {
				return
			}
		}
	}
}

var contextType = reflect.TypeFor[context.Context]()

// isQuery tells queries from the package's helpers.
func isQuery(method reflect.Type) bool { return method.NumIn() > 0 && method.In(0) == contextType }

// argumentsFor are zero values, and one row for a batch.
func argumentsFor(method reflect.Type) []reflect.Value {
	args := []reflect.Value{reflect.ValueOf(context.Background())}
	for i := 1; i < method.NumIn(); i++ {
		t := method.In(i)
		if t.Kind() == reflect.Slice {
			args = append(args, reflect.MakeSlice(t, 1, 1))
			continue
		}
		args = append(args, reflect.Zero(t))
	}
	return args
}

var errOnlyListening = errors.New("only listening")

// listener notes the statements that it is asked to run.
type listener struct{ heard []string }

func (l *listener) Exec(_ context.Context, sql string, _ ...any) (pgconn.CommandTag, error) {
	l.heard = append(l.heard, sql)
	return pgconn.CommandTag{}, errOnlyListening
}

func (l *listener) Query(_ context.Context, sql string, _ ...any) (pgx.Rows, error) {
	l.heard = append(l.heard, sql)
	return nil, errOnlyListening
}

func (l *listener) QueryRow(_ context.Context, sql string, _ ...any) pgx.Row {
	l.heard = append(l.heard, sql)
	return noRow{}
}

func (l *listener) SendBatch(_ context.Context, batch *pgx.Batch) pgx.BatchResults {
	for _, queued := range batch.QueuedQueries {
		l.heard = append(l.heard, queued.SQL)
	}
	return nil
}

type noRow struct{}

func (noRow) Scan(...any) error { return errOnlyListening }

var heading = regexp.MustCompile(`(?m)^-- name: (\w+) :\w+$`)

func nameOf(text string) string {
	if m := heading.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// source is a query as it is written.
type source struct {
	file, sql  string
	exceptions []exception
}

func readSources(files fs.FS) (map[string]source, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list queries/: %w", err)
	}
	all := map[string]source{}
	for _, file := range names {
		content, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("read queries/%s: %w", file, err)
		}
		text := string(content)
		at := heading.FindAllStringSubmatchIndex(text, -1)
		for i, m := range at {
			end := len(text)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			s := source{file: file}
			if s.sql, s.exceptions, err = parse(text[m[1]:end]); err != nil {
				return nil, fmt.Errorf("queries/%s, %s: %w", file, text[m[2]:m[3]], err)
			}
			all[text[m[2]:m[3]]] = s
		}
	}
	return all, nil
}

// parse takes the comments off a query and reads the exceptions in them.
func parse(text string) (sql string, exceptions []exception, err error) {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "-- plan:") {
			e, err := parseException(line)
			if err != nil {
				return "", nil, err
			}
			exceptions = append(exceptions, e)
		}
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSuffix(strings.TrimSpace(strings.Join(lines, "\n")), ";"), exceptions, nil
}

var (
	parameter = regexp.MustCompile(`@(\w+)|sqlc\.n?arg\((\w+)\)`)
	star      = regexp.MustCompile(`(select |returning |\w\\\.)\\\*`)
)

// align finds the names of the parameters of a generated text: its source is the same but for them, and for `*`, for which the
// columns are written out.
func align(sql, text string) ([]string, error) {
	var names []string
	pattern := strings.Builder{}
	end := 0
	for _, m := range parameter.FindAllStringSubmatchIndex(sql, -1) {
		pattern.WriteString(star.ReplaceAllString(regexp.QuoteMeta(sql[end:m[0]]), `$1.+?`) + `\$(\d+)`)
		names = append(names, sql[max(m[2], m[4]):max(m[3], m[5])])
		end = m[1]
	}
	pattern.WriteString(star.ReplaceAllString(regexp.QuoteMeta(sql[end:]), `$1.+?`))
	aligned, err := regexp.Compile(`(?s)^-- name: [^\n]*\s+` + pattern.String() + `\s*$`)
	if err != nil {
		return nil, fmt.Errorf("align with gen/db: %w", err)
	}
	numbers := aligned.FindStringSubmatch(text)
	if numbers == nil {
		return nil, errors.New("is not what gen/db has: run make generate")
	}
	return byNumber(names, numbers[1:])
}

// byNumber puts each name at its number.
func byNumber(names, numbers []string) ([]string, error) {
	ordered := make([]string, len(names))
	known := map[string]string{}
	most := 0
	for i, name := range names {
		n, err := strconv.Atoi(numbers[i])
		if err != nil || n < 1 || n > len(names) || known[name] != "" && known[name] != numbers[i] || ordered[n-1] != "" && ordered[n-1] != name {
			return nil, fmt.Errorf("the parameter %s is number %s of gen/db", name, numbers[i])
		}
		ordered[n-1], known[name] = name, numbers[i]
		most = max(most, n)
	}
	return ordered[:most], nil
}
