package plans

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
)

var indexStatement = regexp.MustCompile(`(?m)^((?:-- .*\n)*)create index concurrently if not exists (\w+)`)

var word = regexp.MustCompile(`\b[A-Z]\w+\b`)

// Unexplained are the production indexes whose comment in the migrations names no query that used them. A comment is for all
// indexes up to the next one.
func (r *Result) Unexplained(migrations fs.FS) ([]string, error) {
	files, err := fs.Glob(migrations, "tenant/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	used := r.UsedBy()
	var wrong []string
	for _, file := range files {
		content, err := fs.ReadFile(migrations, file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		comment := ""
		for _, m := range indexStatement.FindAllStringSubmatch(string(content), -1) {
			if m[1] != "" {
				comment = m[1]
			}
			named := word.FindAllString(comment, -1)
			if !slices.ContainsFunc(named, func(query string) bool { return slices.Contains(used[m[2]], query) }) {
				wrong = append(wrong, m[2])
			}
		}
	}
	return wrong, nil
}
