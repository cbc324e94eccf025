package replay

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// check holds an answer against the document, and against what the step wants.
func (r *runner) check(st *step, got answer) []Difference {
	if got.status != st.status {
		return []Difference{{"status", fmt.Sprint(st.status), strings.TrimSpace(fmt.Sprintf("%d %s", got.status, show(string(got.raw))))}}
	}
	var differences []Difference
	if err := st.op.CheckResponse(got.status, got.header, got.raw); err != nil {
		differences = append(differences, Difference{"schema", "an answer as documented", err.Error()})
	}
	if got.status >= http.StatusBadRequest {
		return append(differences, r.checkProblem(st, got)...)
	}
	if st.want == nil {
		return differences
	}
	c := comparison{vars: r.vars, makes: map[string]bool{}, anchored: r.anchored, exact: r.Fresh}
	for _, literal := range st.makes {
		c.makes[literal] = true
	}
	c.value("", "", st.schema, r.wanted(st), got.json)
	return append(differences, append(c.differences, checkLocation(st, got)...)...)
}

// wanted is the example of the answer, in the tenant that is replayed.
func (r *runner) wanted(st *step) any {
	if r.Tenant == "" {
		return st.want
	}
	return walk("", st.schema, st.want, func(member string, _ *openapi3.Schema, value any) any {
		if member == "slug" {
			return r.Tenant
		}
		return value
	})
}

// checkLocation wants the place of what was created to be the place where it is.
func checkLocation(st *step, got answer) []Difference {
	object, _ := got.json.(map[string]any)
	id, hasID := object["id"].(string)
	location := got.header.Get("Location")
	if st.status != http.StatusCreated || location == "" || !hasID || strings.HasSuffix(location, "/"+id) {
		return nil
	}
	return []Difference{{"header Location", ".../" + id, location}}
}

// checkProblem wants a problem of a documented type, and the faults of a negative example, no more and no fewer.
func (r *runner) checkProblem(st *step, got answer) []Difference {
	var problem struct {
		Type, Title string
		Status      int
		Errors      []fault
	}
	if err := contract.Convert(got.json, &problem); err != nil {
		return []Difference{{"body", "a problem", err.Error()}}
	}
	var differences []Difference
	if problem.Status != got.status {
		differences = append(differences, Difference{"/status", fmt.Sprint(got.status), fmt.Sprint(problem.Status)})
	}
	if want := problemTypes(st); len(want) > 0 && want[problem.Type] != problem.Title {
		differences = append(differences, Difference{"/type", fmt.Sprint(want), problem.Type + " " + problem.Title})
	}
	if st.kind == Negative {
		differences = append(differences, compareFaults(st.faults, problem.Errors)...)
	}
	return differences
}

// problemTypes are the types, with their titles, that the examples of the answer show.
func problemTypes(st *step) map[string]string {
	types := map[string]string{}
	for _, content := range st.op.Spec.Responses.Status(st.status).Value.Content {
		for _, example := range content.Examples {
			var problem struct{ Type, Title string }
			if contract.Convert(example.Value.Value, &problem) == nil {
				types[problem.Type] = problem.Title
			}
		}
	}
	return types
}

func compareFaults(want, got []fault) []Difference {
	var differences []Difference
	rest := map[int]bool{}
	for i := range got {
		rest[i] = true
	}
	for _, w := range want {
		found := false
		for i := range rest {
			if w.matches(got[i]) {
				found = true
				delete(rest, i)
			}
		}
		if !found {
			differences = append(differences, Difference{"/errors", w.String(), "missing"})
		}
	}
	for i := range got {
		if rest[i] {
			differences = append(differences, Difference{"/errors", "no more", got[i].String()})
		}
	}
	return differences
}

func (f fault) matches(got fault) bool {
	same := func(want, got *string) bool { return want == nil || got != nil && *want == *got }
	return f.In == got.In && f.Field == got.Field && f.Code == got.Code && same(f.Pointer, got.Pointer) && same(f.Message, got.Message)
}

func (f fault) String() string {
	text := fmt.Sprintf("%s %q %s", f.In, f.Field, f.Code)
	if f.Pointer != nil {
		text += " at " + *f.Pointer
	}
	if f.Message != nil {
		text += ": " + *f.Message
	}
	return text
}
