package replay

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// unknownID is an id that no row has.
const unknownID = "01900000-0000-7000-8000-0000fffffffe"

// probes are the requests that the document implies: how an operation is brought to answer a status, whatever it does. Each
// changes a request that is good otherwise, and reports whether it can.
var probes = map[int]func(*script, *step) bool{
	http.StatusNotModified: func(_ *script, st *step) bool {
		return st.header("If-None-Match", "*")
	},
	http.StatusBadRequest: func(_ *script, st *step) bool {
		st.request.Query = map[string]string{"no-such-parameter": "1"}
		return true
	},
	http.StatusUnauthorized: func(_ *script, st *step) bool {
		st.as = nobody
		return !st.op.Public
	},
	http.StatusForbidden: func(s *script, st *step) bool {
		if who := s.actorWithout(st.op); who != "" && !st.op.Public {
			st.as = who
			return true
		}
		st.request.Headers = map[string]string{"Sec-Fetch-Site": "cross-site"} // as browsers mark what comes from another site
		return st.op.Method != http.MethodGet
	},
	http.StatusNotFound: func(_ *script, st *step) bool {
		return st.setUnknown()
	},
	http.StatusPreconditionFailed: func(_ *script, st *step) bool {
		return st.header("If-Match", `"0"`)
	},
	http.StatusRequestEntityTooLarge: func(_ *script, st *step) bool {
		st.request.raw = strings.Repeat(" ", int(st.op.MaxBodyBytes)+1)
		return st.request.hasBody
	},
	http.StatusUnprocessableEntity: func(s *script, st *step) bool { // the key of the good request, for another row or other values
		st.setUnknown()
		st.comesAfter(s.firstExample(st.op))
		return st.hasHeader(idempotencyKey)
	},
	http.StatusUnsupportedMediaType: func(_ *script, st *step) bool {
		st.request.mediaType = "text/plain"
		return st.request.hasBody
	},
}

// idempotencyKey is the header with which a request can be repeated.
const idempotencyKey = "Idempotency-Key"

// header sets a header that the operation has a parameter for.
func (st *step) header(name, value string) bool {
	if !st.hasHeader(name) {
		return false
	}
	st.request.Headers = map[string]string{name: value}
	return true
}

func (st *step) hasHeader(name string) bool {
	return slices.ContainsFunc(st.op.Parameters(), func(p *openapi3.Parameter) bool {
		return p.In == openapi3.ParameterInHeader && http.CanonicalHeaderKey(p.Name) == name
	})
}

// setUnknown puts an id that nobody has in the place of the path's last one.
func (st *step) setUnknown() bool {
	for _, p := range slices.Backward(st.op.Parameters()) {
		if p.In == openapi3.ParameterInPath && p.Schema.Value.Format == "uuid" {
			st.request.Path[p.Name] = unknownID
			return true
		}
	}
	return false
}

// probesOf probes the statuses that the operation documents and none of its examples has.
func (s *script) probesOf(op *contract.Operation) []*step {
	var steps []*step
	for _, status := range slices.Sorted(maps.Keys(probes)) {
		if op.Spec.Responses.Status(status) == nil || s.hasStatus(op, status) {
			continue
		}
		st := &step{op: op, kind: Probe, name: strconv.Itoa(status), status: status, request: s.goodRequest(op)}
		if probes[status](s, st) {
			steps = append(steps, st)
		}
	}
	return steps
}

func (s *script) hasStatus(op *contract.Operation, status int) bool {
	return slices.ContainsFunc(s.steps, func(st *step) bool { return st.op == op && st.status == status })
}

// goodRequest is the operation's first example.
func (s *script) goodRequest(op *contract.Operation) message {
	if st := s.firstExample(op); st != nil {
		return st.request.clone()
	}
	return message{Path: map[string]string{}}
}

func (s *script) firstExample(op *contract.Operation) *step {
	i := slices.IndexFunc(s.steps, func(st *step) bool { return st.op == op && st.kind == Example })
	if i < 0 {
		return nil
	}
	return s.steps[i]
}
