package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	requirementID = regexp.MustCompile(`^[1-9]\d?\.[1-9]\d?\.[1-9]\d?$`)
	testName      = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
)

// docs/security.md maps requirements to tests. Each id must be one of the standard's, each test must exist.
func TestSecurityPage_namesRealRequirementsAndRealTests(t *testing.T) {
	t.Parallel()
	levels, tests, claimed := requirements(t), testsOf(t, "../.."), securityPage(t)
	assert.Len(t, levels, 253, "the list is whole: 70 requirements of level 1 and 183 of level 2")
	var ids [][]int
	for _, row := range claimed {
		assert.Regexp(t, requirementID, row.id)
		assert.NotEmpty(t, levels[row.id], "%s is no requirement of level 1 or 2 of ASVS 5.0.0", row.id)
		assert.NotEmpty(t, row.tests, "%s names no test", row.id)
		for _, name := range row.tests {
			assert.True(t, tests[name], "%s: there is no test %s", row.id, name)
		}
		ids = append(ids, numbers(t, row.id))
	}
	require.NotEmpty(t, ids)
	assert.True(t, slices.IsSortedFunc(ids, slices.Compare), "keep the rows in the order of the standard")
	assert.Len(t, slices.CompactFunc(ids, slices.Equal), len(claimed), "a requirement has one row")
	t.Logf("%d of %d requirements of level 1 and 2 are mapped to tests", len(claimed), len(levels))
}

// claim is a row of the page.
type claim struct {
	id    string
	tests []string
}

func securityPage(t *testing.T) []claim {
	t.Helper()
	page, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	var claims []claim
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.TrimSpace(cells[1]) == "ASVS" || strings.HasPrefix(cells[1], "---") {
			continue
		}
		c := claim{id: strings.TrimSpace(cells[1])}
		for _, found := range testName.FindAllStringSubmatch(cells[3], -1) {
			c.tests = append(c.tests, found[1])
		}
		claims = append(claims, c)
	}
	return claims
}

// requirements are the levels of the standard's requirements; the file says where it is from.
func requirements(t *testing.T) map[string]string {
	t.Helper()
	list, err := os.ReadFile("testdata/asvs-5.0.0.txt")
	require.NoError(t, err)
	levels := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if id, level, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			levels[id] = level
		}
	}
	return levels
}

func numbers(t *testing.T, id string) []int {
	t.Helper()
	var all []int
	for part := range strings.SplitSeq(id, ".") {
		n, err := strconv.Atoi(part)
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

// testsOf are the names of all tests below a directory.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			if entry != nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir // .git, .data
			}
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
		return nil
	})
	require.NoError(t, err)
	return names
}
