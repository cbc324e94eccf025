package replay

import (
	"maps"
	"slices"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// The sign-ins that the document has examples of are whom steps are sent as. What each may do is in the example's answer.

// actor is the sign-in example that a step is sent as; empty without any.
func (s *script) actor(st *step) string {
	switch {
	case st.op.Public || st.as == nobody:
		return ""
	case st.as != "":
		return st.as
	case st.request.As != "":
		return st.request.As
	}
	return s.actorFor(st.op)
}

// tokenOf is the token in the answer to a sign-in example; empty when there is none.
func (s *script) tokenOf(login string) string {
	if s.logins[login] == nil {
		return ""
	}
	answer, _ := s.logins[login].want.(map[string]any)
	token, _ := answer["token"].(string)
	return token
}

// may is true of a sign-in that can call an operation.
func (s *script) may(login string, op *contract.Operation) bool {
	i := slices.IndexFunc(s.signIns(), func(in signIn) bool { return in.name == login })
	return i >= 0 && (op.Permission == "" || slices.Contains(s.signIns()[i].permissions, op.Permission))
}

// signIn is what an example of a sign-in says of its user.
type signIn struct {
	name        string
	permissions []string
	everywhere  bool // by built-in roles that reach all institutions
	halfway     bool // a second factor is still to come
	user        string
}

// signIns are the examples with a token, in the order of their names.
func (s *script) signIns() []signIn {
	var all []signIn
	for _, name := range slices.Sorted(maps.Keys(s.logins)) {
		if s.tokenOf(name) == "" {
			continue
		}
		var answer struct {
			MFA  string `json:"mfa"`
			User struct {
				ID                 string
				Roles, Permissions []string
			}
		}
		if contract.Convert(s.logins[name].want, &answer) != nil {
			continue
		}
		in := signIn{name: name, permissions: answer.User.Permissions, halfway: answer.MFA == "required", user: answer.User.ID}
		for _, role := range answer.User.Roles {
			builtIn, known := s.contract.Role(role)
			in.everywhere = in.everywhere || known && builtIn.Reach == contract.ReachInstitutions
		}
		all = append(all, in)
	}
	return all
}

// actorFor is who holds the permission of an operation everywhere, and as little besides as there is; who holds most,
// where none is needed.
func (s *script) actorFor(op *contract.Operation) string {
	best := signIn{}
	for _, in := range s.signIns() {
		if !in.everywhere || in.halfway || op.Permission != "" && !slices.Contains(in.permissions, op.Permission) {
			continue
		}
		less := len(in.permissions) < len(best.permissions)
		if best.name == "" || less == (op.Permission != "") && len(in.permissions) != len(best.permissions) {
			best = in
		}
	}
	return best.name
}

// actorWithout is who lacks the permission of an operation, or the second factor where none is needed; empty when nobody
// does.
func (s *script) actorWithout(op *contract.Operation) string {
	all := s.signIns()
	for _, in := range all {
		lacks := op.Permission != "" && !slices.Contains(in.permissions, op.Permission)
		// Whoever gets a second factor on the way does not stay as they are.
		isPlain := !slices.ContainsFunc(all, func(other signIn) bool { return other.halfway && other.user == in.user })
		if isPlain && lacks || in.halfway && op.Permission == "" && !op.MFAExempt {
			return in.name
		}
	}
	return ""
}
