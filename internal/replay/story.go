package replay

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// A literal is a value of the document that stands for one that is known only when it runs. Ids and secrets are their own
// names; a value that may be taken once is named together with its member, since "A" is the name of many things.

func uniqueLiteral(member, value string) string { return member + "=" + value }

// visitor is called with every scalar of a value: the member it stands in, its schema (nil when it has none), and it.
type visitor func(member string, schema *openapi3.Schema, value any) any

// walk rebuilds a value with its scalars replaced.
func walk(member string, schema *openapi3.Schema, value any, visit visitor) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, m := range v {
			out[name] = walk(name, propertyOf(schema, name), m, visit)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = walk(member, itemsOf(schema), item, visit)
		}
		return out
	}
	return visit(member, schema, value)
}

func propertyOf(schema *openapi3.Schema, name string) *openapi3.Schema {
	if schema == nil || schema.Properties[name] == nil {
		return nil
	}
	return schema.Properties[name].Value
}

func itemsOf(schema *openapi3.Schema) *openapi3.Schema {
	if schema == nil || schema.Items == nil {
		return nil
	}
	return schema.Items.Value
}

func isID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

func isSecret(schema *openapi3.Schema) bool {
	return schema != nil && schema.Extensions["x-pii"] == "secret"
}

func isUnique(schema *openapi3.Schema) bool {
	return schema != nil && schema.Extensions["x-unique"] == true
}

// totpSecret is the member of an earlier answer that a time-based code is made of (x-totp), with its operation:
// enrollMfa.secret; empty when it is none.
func totpSecret(schema *openapi3.Schema) string {
	if schema == nil {
		return ""
	}
	name, _ := schema.Extensions["x-totp"].(string)
	return name
}

// sendsCode is true of a code that a real one is sent for: a bad request sends the one that it has.
func (st *step) sendsCode(schema *openapi3.Schema, literal string) bool {
	return totpSecret(schema) != "" && st.kind == Example && literal != ""
}

// bodySchema is the schema of the request's body.
func (st *step) bodySchema() *openapi3.Schema {
	if st.op.Spec.RequestBody == nil {
		return nil
	}
	_, schema := jsonOf(st.op.Spec.RequestBody.Value.Content)
	return schema
}

// sent are the strings of the request, and said those of the answer.
func (st *step) sent(visit func(member, value string)) {
	for _, values := range []map[string]string{st.request.Path, st.request.Query, st.request.Headers} {
		for name, value := range values {
			visit(name, value)
		}
	}
	each(st.request.body, visit)
}

func each(value any, visit func(member, value string)) {
	walk("", nil, value, func(member string, _ *openapi3.Schema, v any) any {
		if s, ok := v.(string); ok {
			visit(member, s)
		}
		return v
	})
}

// findMakers finds out which example makes what: ids and secrets that its answer has and its request has not, and the
// values of its request that may be taken once.
func (s *script) findMakers() {
	for _, st := range s.steps {
		if st.kind == Example && st.op.Method != http.MethodGet {
			s.findMade(st)
			s.findUnique(st)
		}
	}
	for _, st := range s.steps {
		st.sent(func(_, value string) {
			if isID(value) && s.makers[value] == nil {
				s.anchored[value] = true
			}
		})
	}
}

// findMade finds the ids of what an answer says was made, and the secrets that it tells.
func (s *script) findMade(st *step) {
	own := map[string]bool{}
	st.sent(func(_, value string) { own[value] = true })
	if st.status == http.StatusCreated || st.status == http.StatusAccepted {
		for _, id := range idsOf(st.want) {
			if !own[id] {
				s.made(st, id)
			}
		}
	}
	walk("", st.schema, st.want, func(_ string, schema *openapi3.Schema, v any) any {
		if value, _ := v.(string); isSecret(schema) && value != "" && !own[value] {
			s.made(st, value)
		}
		return v
	})
}

// idsOf are the ids of the outermost objects that have one: of the object itself, of the rows of a list, of a member.
func idsOf(value any) []string {
	var ids []string
	switch v := value.(type) {
	case map[string]any:
		if id, _ := v["id"].(string); isID(id) {
			return []string{id}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			ids = append(ids, idsOf(v[name])...)
		}
	case []any:
		for _, item := range v {
			ids = append(ids, idsOf(item)...)
		}
	}
	return ids
}

func (s *script) findUnique(st *step) {
	if st.status != http.StatusCreated {
		return
	}
	walk("", st.bodySchema(), st.request.body, func(member string, schema *openapi3.Schema, v any) any {
		if value, ok := v.(string); ok && isUnique(schema) {
			s.made(st, uniqueLiteral(member, value))
			s.made(st, uniqueLiteral(member, strings.ToLower(value)))
		}
		return v
	})
}

func (s *script) made(st *step, literal string) {
	if s.makers[literal] == nil {
		s.makers[literal] = st
		st.makes = append(st.makes, literal)
	}
}

// deleteWhatWasMade lets the example of a DELETE work on a row that the example of the POST beside it has made, and not
// on one that was there.
func (s *script) deleteWhatWasMade() {
	for _, st := range s.steps {
		collection, parameter := splitPath(st.op.Path)
		isDelete := st.kind == Example && st.op.Method == http.MethodDelete && parameter != ""
		if id := s.madeIn(collection); isDelete && id != "" && s.makers[st.request.Path[parameter]] == nil {
			st.request.Path[parameter] = id
		}
	}
}

// madeIn is the id that an example makes in a collection; empty when none does.
func (s *script) madeIn(collection string) string {
	for _, st := range s.steps {
		if st.kind != Example || st.op.Method != http.MethodPost || st.op.Path != collection || st.status != http.StatusCreated {
			continue
		}
		if ids := idsOf(st.want); len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

// splitPath takes a path's last parameter off: /v1/roles/{roleId} is /v1/roles and roleId.
func splitPath(path string) (collection, parameter string) {
	at := strings.LastIndexByte(path, '/')
	last := path[at+1:]
	if !strings.HasPrefix(last, "{") {
		return path, ""
	}
	return path[:at], strings.Trim(last, "{}")
}

// findNeeds finds out what must have run before each step: whoever makes a literal that its request or its answer has, and
// the sign-in that it is sent as.
func (s *script) findNeeds() {
	for _, st := range s.steps {
		need := func(member, value string) {
			for _, literal := range []string{value, strings.TrimPrefix(value, "Bearer "), uniqueLiteral(member, value)} {
				if maker := s.makers[literal]; maker != nil && !s.ownValue(st, maker, literal) {
					st.comesAfter(maker)
				}
			}
		}
		st.sent(need)
		each(st.want, need)
		st.comesAfter(s.logins[s.actor(st)])
		for _, earlier := range s.steps {
			if earlier.kind == Example && earlier.op.ID == st.request.After {
				st.comesAfter(earlier)
			}
		}
		walk("", st.bodySchema(), st.request.body, func(_ string, schema *openapi3.Schema, value any) any {
			st.comesAfter(s.tellerOf(totpSecret(schema)))
			return value
		})
	}
}

// tellerOf is the example whose answer tells a secret.
func (s *script) tellerOf(secret string) *step {
	operation, _, _ := strings.Cut(secret, ".")
	for _, st := range s.steps {
		if st.op.ID == operation && st.kind == Example {
			return st
		}
	}
	return nil
}

// ownValue is true for a value that a bad request has of its own in the place of what its base makes.
func (s *script) ownValue(st, maker *step, literal string) bool {
	return st.kind != Example && maker.op == st.op && strings.Contains(literal, "=")
}

func (st *step) comesAfter(earlier *step) {
	if earlier != nil && earlier != st && !slices.Contains(st.after, earlier) {
		st.after = append(st.after, earlier)
	}
}
