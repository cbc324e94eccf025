package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/jobs"
	"github.com/rollcall-erp/rollcall/internal/server"
)

// canaries are personal data of each kind that x-pii knows, to be looked for where they must not be.
var canaries = map[string]string{
	"name": "Canaryname", "email": "canary@canary-mail.example", "phone": "+99 99999 77777", "birth": "1987-06-05",
	"national-id": "987698769876", "address": "77 Canary Wharf Lane", "secret": "a canary secret 77",
}

// Every operation gets personal data wherever a client can put it: in every member of the body that the document marks as
// such, in requests with one fault each, in every parameter of path, query and header, under unknown names, and in
// headers that nobody asked for. The same again while the database refuses every write with an error that quotes the row.
// None of it may be in the log, in the metrics, in the audit trail, or in an answer that reports an error.
func TestPersonalData_isNeitherInTheLogNorInErrorsNorInMetrics(t *testing.T) {
	t.Parallel()
	var count struct{ requests, errors, faults, planted, events atomic.Int64 }
	forEachOperation(t, func(t *testing.T, h *harness, op *contract.Operation) {
		send := func(calls []call) {
			for _, c := range calls {
				got := h.do(withCanaryHeaders(c))
				count.requests.Add(1)
				if got.Status >= http.StatusBadRequest {
					count.errors.Add(1)
					if got.Status >= http.StatusInternalServerError {
						count.faults.Add(1)
					}
					assertNoCanary(t, withoutUnknownNames(got), "the answer")
				}
			}
		}
		send(canaryBodies(t, h, op, &count.planted))
		send(canaryParameters(t, h, op))
		refuseWrites(t, h)
		send(canaryBodies(t, h, op, &count.planted))
		send(canaryParameters(t, h, op))
		assertNoCanary(t, h.log.String(), "the log")
		assertNoCanary(t, h.metrics(), "the metrics")
		trail := dbtest.Values[string](t, h.db, `select e::text from `+h.schema()+`.audit_events e where action = $1`, op.ID)
		count.events.Add(int64(len(trail)))
		assertNoCanary(t, strings.Join(trail, "\n"), "the audit trail")
	})
	t.Cleanup(func() {
		assert.Positive(t, count.planted.Load(), "nothing was planted: the test shows nothing")
		assert.Positive(t, count.faults.Load(), "the database refused nothing: the test shows nothing")
		assert.Positive(t, count.events.Load(), "no audit event was looked at: the test shows nothing")
		t.Logf("%d requests, %d refused, %d failed in the database, with %d pieces of personal data in bodies: none in log, metrics, errors or %d audit events",
			count.requests.Load(), count.errors.Load(), count.faults.Load(), count.planted.Load(), count.events.Load())
	})
}

// withoutUnknownNames is an answer without the names that it reports as unknown: they are told to who sent them.
func withoutUnknownNames(a answer) string {
	for _, e := range a.list("errors") {
		fault := e.(map[string]any)
		if fault["code"] == "unknown" || fault["code"] == "additionalProperties" {
			delete(fault, "field")
			delete(fault, "pointer")
		}
	}
	raw, err := json.Marshal(a.JSON)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// canaryBodies are good requests, the same again (which collide), and requests with one fault each.
func canaryBodies(t *testing.T, h *harness, op *contract.Operation, planted *atomic.Int64) []call {
	t.Helper()
	if op.Spec.RequestBody == nil {
		return []call{h.callFor(op, shape{}, nil)}
	}
	var calls []call
	media := op.Spec.RequestBody.Value.Content["application/json"]
	for _, example := range media.Examples {
		good := plant(t, media.Schema.Value, example.Value.Value, planted)
		for _, body := range append([]any{good, good}, broken(t, good)...) {
			calls = append(calls, h.callFor(op, shape{}, body))
		}
	}
	return calls
}

// canaryParameters are requests with a canary as each parameter, as an unknown one, as a name, and as a token.
func canaryParameters(t *testing.T, h *harness, op *contract.Operation) []call {
	t.Helper()
	var body any
	if op.Spec.RequestBody != nil {
		body = map[string]any{canaries["name"]: canaries["email"]}
	}
	var calls []call
	for _, canary := range canaries {
		shapes := []shape{{Query: map[string]string{"unknown": canary}}, {Query: map[string]string{canary: canary}}}
		for _, p := range append(pathParameters(h.contract, op), otherParameters(op)...) {
			value := map[string]string{p.Name: canary}
			switch p.In {
			case openapi3.ParameterInPath:
				shapes = append(shapes, shape{Path: value})
			case openapi3.ParameterInQuery:
				shapes = append(shapes, shape{Query: value})
			case openapi3.ParameterInHeader:
				shapes = append(shapes, shape{Headers: value})
			}
		}
		for _, s := range shapes {
			calls = append(calls, h.callFor(op, s, body))
		}
		stranger := h.callFor(op, shape{}, body)
		stranger.Token = canary
		calls = append(calls, stranger)
	}
	return calls
}

func otherParameters(op *contract.Operation) []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, ref := range op.Spec.Parameters {
		if ref.Value.In != openapi3.ParameterInPath {
			all = append(all, ref.Value)
		}
	}
	return all
}

// withCanaryHeaders adds the headers that clients send on their own account.
func withCanaryHeaders(c call) call {
	headers := map[string]string{
		"User-Agent": "Browser of " + canaries["name"] + " <" + canaries["email"] + ">", "Referer": "https://school.example/?q=" + canaries["email"],
		"X-Forwarded-For": canaries["phone"], "Forwarded": "for=" + canaries["name"], "Cookie": "who=" + canaries["email"],
		"From": canaries["email"], "X-Request-ID": canaries["email"], "Accept-Language": canaries["name"],
	}
	maps.Copy(headers, c.Header)
	c.Header = headers
	return c
}

// refuseWrites makes every write fail with an error that quotes the row, in its message and in its detail.
func refuseWrites(t *testing.T, h *harness) {
	t.Helper()
	h.db.Exec(t, `create function `+h.schema()+`.refuse() returns trigger language plpgsql as $$
		begin raise exception 'cannot keep %', coalesce(new, old)::text using detail = coalesce(new, old)::text; end $$`)
	for _, table := range dbtest.Values[string](t, h.db, `select tablename::text from pg_tables where schemaname = $1 and tablename not like 'goose%' and tablename not like 'audit\_%'`, h.schema()) {
		if table != "sessions" { // the test makes some
			h.db.Exec(t, `create trigger refuse before insert or update or delete on `+h.schema()+`.`+table+` for each row execute function `+h.schema()+`.refuse()`)
		}
	}
}

// A task that fails on a row with personal data says nothing of it, neither in the log nor in the queue.
func TestPersonalData_isNeitherInTheLogOfTasksNorInTheQueue(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.db.Exec(t, `insert into `+h.schema()+`.sessions (id, user_id, token_hash, created_at, expires_at, user_agent)
		values (gen_random_uuid(), $1, sha256('x'), now() - interval '90 days', now() - interval '80 days', $2)`, demoUsers["admin"], strings.Join(slices.Collect(maps.Values(canaries)), " "))
	refuseWrites(t, h)
	h.db.Exec(t, `create trigger refuse before delete on `+h.schema()+`.sessions for each row execute function `+h.schema()+`.refuse()`)
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracer := provider.Tracer("test")
	pool := h.db.Open(t, db.Config{MaxConns: jobs.MinConns, Tracer: tracer})
	metrics := server.NewMetrics()
	tasks := append(jobs.Tasks(pool, newLogger(h.contract, h.log)), jobs.Task{Name: "panics", Every: time.Hour, Run: func(context.Context, uuid.UUID) error {
		panic(&pgconn.PgError{Severity: "ERROR", Code: "22007", Message: canaries["name"]})
	}})
	runner, err := jobs.New(jobs.Config{DB: pool, Tasks: tasks, Log: newLogger(h.contract, h.log), Metrics: metrics, Tick: time.Second, Tracer: tracer})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	assert.Eventually(t, func() bool { return strings.Count(h.log.String(), "task failed") >= 3 }, time.Minute, 50*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	assert.Contains(t, h.log.String(), "SQLSTATE P0001", "the task did not fail on the row")
	assertNoCanary(t, h.log.String(), "the log")
	traces := fmt.Sprintf("%+v", spans.GetSpans())
	assert.Contains(t, traces, "cleanup")
	assertNoCanary(t, traces, "the traces")
	assertNoCanary(t, strings.Join(dbtest.Values[string](t, h.db, `select j::text from river.river_job j`), "\n"), "the queue")
}

func assertNoCanary(t *testing.T, text, where string) {
	t.Helper()
	text = strings.ToLower(text)
	for kind, canary := range canaries {
		for _, form := range []string{canary, url.QueryEscape(canary), url.PathEscape(canary)} {
			if i := strings.Index(text, strings.ToLower(form)); i >= 0 {
				assert.Fail(t, "personal data", "%s in %s: ...%s", kind, where, text[max(0, i-300):min(len(text), i+200)])
			}
		}
	}
}

// plant copies a value with a canary in every member that is marked.
func plant(t *testing.T, schema *openapi3.Schema, value any, planted *atomic.Int64) any {
	t.Helper()
	if kind, marked := schema.Extensions["x-pii"].(string); marked {
		require.Contains(t, canaries, kind, "a new kind of personal data needs a canary")
		planted.Add(1)
		return canaries[kind]
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = member
			if ref := schema.Properties[name]; ref != nil && member != nil {
				out[name] = plant(t, ref.Value, member, planted)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = plant(t, schema.Items.Value, item, planted)
		}
		return out
	}
	return value
}

// broken are requests with one fault each, personal data beside it and in it.
func broken(t *testing.T, good any) []any {
	t.Helper()
	object := good.(map[string]any)
	var bodies []any
	for name := range object {
		for _, wrong := range []any{map[string]any{canaries["name"]: canaries["email"]}, []any{canaries["phone"]}, canaries["email"] + "\u0000", strings.Repeat(canaries["national-id"], 100)} {
			changed := maps.Clone(object)
			changed[name] = wrong
			bodies = append(bodies, changed)
		}
	}
	raw, err := json.Marshal(good)
	require.NoError(t, err)
	return append(bodies, raw[:len(raw)-1], append(raw, raw...))
}
