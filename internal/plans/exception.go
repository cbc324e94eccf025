package plans

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// exception is what a query's comment says for reading more than the rule allows:
//
//	-- plan: up to 10001 rows, <reason>
//	-- plan: pattern, institution: up to 30000 rows, <reason>
//
// The second is for executions with the filter `pattern`, and for the view `institution`, only.
type exception struct {
	when   []string // filters and views; none: always
	rows   int64
	reason string
}

var exceptionForm = regexp.MustCompile(`^-- plan: (?:([\w, ]+): )?up to (\d+) rows, (.+)$`)

func parseException(line string) (exception, error) {
	m := exceptionForm.FindStringSubmatch(line)
	if m == nil {
		return exception{}, fmt.Errorf("%q: write `-- plan: up to 10001 rows, <reason>`, or `-- plan: <filters or views>: up to ...`", line)
	}
	e := exception{reason: m[3]}
	if m[1] != "" {
		e.when = strings.Split(m[1], ", ")
	}
	var err error
	if e.rows, err = strconv.ParseInt(m[2], 10, 64); err != nil {
		return exception{}, fmt.Errorf("%q: %w", line, err)
	}
	return e, nil
}

// exceptionFor is the widest exception for a reading; false: none.
func (q Query) exceptionFor(r Reading) (widest exception, found bool) {
	for _, e := range q.exceptions {
		if e.isFor(r) && e.rows > widest.rows {
			widest, found = e, true
		}
	}
	return widest, found
}

func (e exception) isFor(r Reading) bool {
	return len(e.when) == 0 || slices.ContainsFunc(e.when, func(word string) bool { return word == r.View || slices.Contains(r.filters, word) })
}
