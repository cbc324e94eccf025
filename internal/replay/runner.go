package replay

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// runner sends the steps of a script.
type runner struct {
	Config
	*script
	sender

	vars    vars
	tokens  map[string]string            // by sign-in example
	cookies map[string]map[string]string // the headers of sessions that are cookies, by sign-in example
	done    map[*step]*Step
	undo    []undo // what takes back what was written, in the order of writing
	left    []string

	keys      map[*contract.Operation]string // the last Idempotency-Key of each
	secrets   map[string]string              // that answers told, by operation and member
	usedCodes map[string]int64               // the last period of which a code was sent, by secret
}

func newRunner(c Config, s *script) *runner {
	return &runner{
		Config: c, script: s, sender: sender{baseURL: c.BaseURL, client: c.Client},
		vars: vars{}, tokens: map[string]string{}, cookies: map[string]map[string]string{}, done: map[*step]*Step{},
		keys: map[*contract.Operation]string{}, secrets: map[string]string{}, usedCodes: map[string]int64{},
	}
}

// play sends the steps, and before each what it needs.
func (r *runner) play(ctx context.Context, chosen []*step) {
	for i, st := range chosen {
		if ctx.Err() != nil {
			return
		}
		if r.Progress != nil {
			r.Progress(i, len(chosen), st.op.ID)
		}
		r.step(ctx, st)
	}
}

// step sends a step once, what it needs first.
func (r *runner) step(ctx context.Context, st *step) *Step {
	if result := r.done[st]; result != nil {
		return result
	}
	result := &Step{Name: st.name, Kind: st.kind, Status: st.status}
	r.done[st] = result
	for _, earlier := range st.after {
		if before := r.step(ctx, earlier); len(before.Failures) > 0 {
			result.Failures = []Difference{{"request", "what " + earlier.String() + " makes", "it failed"}}
			return result
		}
	}
	start := time.Now()
	result.Failures = r.perform(ctx, st)
	result.Took = time.Since(start)
	return result
}

// perform sends a step and says what differs. A change of a row that was there is taken back at once.
func (r *runner) perform(ctx context.Context, st *step) []Difference {
	if st.kind != Example {
		return r.unchanged(func() []Difference { return r.exchange(ctx, st) })
	}
	restore, err := r.remember(ctx, st)
	if err != nil {
		return []Difference{{"request", "the state before", err.Error()}}
	}
	differences := r.exchange(ctx, st)
	if !r.Keep {
		if err := restore(context.WithoutCancel(ctx)); err != nil {
			differences = append(differences, Difference{"afterwards", "the state before", err.Error()})
		}
	}
	return differences
}

// unchanged wants nothing written meanwhile.
func (r *runner) unchanged(send func() []Difference) []Difference {
	if r.Snapshot == nil {
		return send()
	}
	before := r.Snapshot()
	differences := send()
	if !reflect.DeepEqual(before, r.Snapshot()) {
		differences = append(differences, Difference{"afterwards", "nothing written", "something was written"})
	}
	return differences
}

func (r *runner) exchange(ctx context.Context, st *step) []Difference {
	out, err := r.outgoing(ctx, st)
	if err != nil {
		return []Difference{{"request", "to be sent", err.Error()}}
	}
	got, err := r.sendAs(ctx, st, out)
	if err != nil {
		return []Difference{{"request", "an answer", err.Error()}}
	}
	differences := r.check(st, got)
	if got.status < http.StatusBadRequest {
		r.learn(st, got)
	}
	return differences
}

// sendAs sends, and signs in again once where a session has ended meanwhile.
func (r *runner) sendAs(ctx context.Context, st *step, out outgoing) (answer, error) {
	login := r.actor(st)
	out.token = r.tokens[login]
	got, err := r.send(ctx, out)
	if err != nil || got.status != http.StatusUnauthorized || st.status == http.StatusUnauthorized || login == "" {
		return got, err
	}
	if failed := r.exchange(ctx, r.logins[login]); len(failed) > 0 {
		return got, nil
	}
	out.token = r.tokens[login]
	return r.send(ctx, out)
}

// learn takes a fresh token, and notes what was made.
func (r *runner) learn(st *step, got answer) {
	object, _ := got.json.(map[string]any)
	if token, ok := object["token"].(string); ok {
		login := r.actor(st)
		if st.op.Public {
			login = st.name
		}
		r.tokens[login] = token
	}
	if cookie, _, set := strings.Cut(got.header.Get("Set-Cookie"), ";"); set && st.op.Public {
		csrf, _ := object["csrfToken"].(string)
		r.cookies[st.name] = map[string]string{"Cookie": cookie, "X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-origin"}
	}
	walk("", st.schema, got.json, func(member string, schema *openapi3.Schema, value any) any {
		if secret, isText := value.(string); isText && isSecret(schema) {
			r.secrets[st.op.ID+"."+member] = secret
		}
		return value
	})
	if st.status == http.StatusCreated {
		for _, id := range idsOf(got.json) {
			r.undo = append(r.undo, undo{st, id})
		}
	}
}

// outgoing gives the literals of a request their values.
func (r *runner) outgoing(ctx context.Context, st *step) (outgoing, error) {
	out := outgoing{
		op: st.op, path: r.vars.texts(st.request.Path), query: r.vars.texts(st.request.Query), headers: r.vars.texts(st.request.Headers),
		media: st.request.mediaType,
	}
	if out.media == "" {
		out.media = "application/json"
	}
	r.addKey(st, out.headers)
	switch {
	case st.request.raw != "":
		out.body = []byte(st.request.raw)
	case st.request.hasBody:
		body, err := r.body(ctx, st)
		if err != nil {
			return out, err
		}
		if out.body, err = json.Marshal(body); err != nil {
			return out, err
		}
	}
	return out, nil
}

// addKey gives a good request a key that makes it repeatable, and the one that misuses a key that of a good one.
func (r *runner) addKey(st *step, headers map[string]string) {
	if st.kind == Example && st.hasHeader(idempotencyKey) {
		r.keys[st.op] = "replay-" + random(letters+digits, 20)
		headers[idempotencyKey] = r.keys[st.op]
	}
	if st.status == http.StatusUnprocessableEntity && st.kind == Probe {
		headers[idempotencyKey] = r.keys[st.op]
	}
}

// body is the body with its values. What may be taken once is new for whoever makes it, and for every bad request.
func (r *runner) body(ctx context.Context, st *step) (any, error) {
	local := r.vars
	if st.kind != Example {
		local = maps.Clone(r.vars)
	}
	var failed error
	body := walk("", st.bodySchema(), st.request.body, func(member string, schema *openapi3.Schema, value any) any {
		literal, isText := value.(string)
		switch {
		case st.op.Public && member == "tenant" && r.Tenant != "" && st.kind == Example:
			return r.Tenant
		case isText && st.sendsCode(schema, literal):
			code, err := r.code(ctx, totpSecret(schema))
			failed = err
			return code
		case isText && r.makesUnique(st, member, literal):
			if st.makesLiteral(uniqueLiteral(member, literal)) || st.kind != Example {
				local.bind(member, literal, distinct(literal, schema))
			}
		case isUnique(schema) && st.status == http.StatusCreated:
			return r.distinctNumber(local, member, schema, value)
		case !isText:
			return value
		}
		return local.text(member, literal)
	})
	return body, failed
}

// makesUnique is true of a literal that an example of the same operation makes.
func (r *runner) makesUnique(st *step, member, literal string) bool {
	maker := r.makers[uniqueLiteral(member, literal)]
	return maker != nil && maker.op == st.op
}

func (st *step) makesLiteral(literal string) bool { return slices.Contains(st.makes, literal) }

func (r *runner) distinctNumber(v vars, member string, schema *openapi3.Schema, value any) any {
	n, isNumber := value.(float64)
	if !isNumber {
		return value
	}
	fresh := distinctNumber(n, schema)
	v[uniqueLiteral(member, number(n))] = number(fresh)
	return fresh
}

var errNotTaken = errors.New("was not taken back")
