package plans

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-erp/rollcall/gen"
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

// Catalogue lists every query of gen/db, by name. The text is taken from the generated code; what it does not keep, from
// queries/. It fails when the two do not belong together.
func Catalogue() ([]Query, error) {
	sources, err := readSources(queries.Files)
	if err != nil {
		return nil, err
	}
	texts, err := generatedTexts(gen.Queries)
	if err != nil {
		return nil, err
	}
	var all []Query
	for _, text := range texts {
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

// generatedText is how gen/db writes down a query.
var generatedText = regexp.MustCompile("(?s)\nconst \\w+ = `(-- name: [^`]+)`")

// generatedTexts are the texts of all queries of gen/db. They are read, since to call every method by reflection would keep all
// methods of all types in the program: a quarter of its size.
func generatedTexts(sources fs.FS) ([]string, error) {
	names, err := fs.Glob(sources, "db/*.go")
	if err != nil {
		return nil, fmt.Errorf("list gen/db: %w", err)
	}
	var texts []string
	for _, name := range names {
		source, err := fs.ReadFile(sources, name)
		if err != nil {
			return nil, fmt.Errorf("read gen/%s: %w", name, err)
		}
		for _, found := range generatedText.FindAllSubmatch(source, -1) {
			texts = append(texts, string(found[1]))
		}
	}
	return texts, nil
}

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
