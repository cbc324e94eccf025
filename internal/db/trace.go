package db

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// A transaction is a span, and in it each exchange with the server: named by the query, without arguments and without the text
// of errors, which may quote them.

// txSpan is the span of a transaction; nil when traces are off.
type txSpan struct{ span trace.Span }

// startSpan begins the span of a transaction.
func (d *DB) startSpan(ctx context.Context, scope Scope, opts Options) (context.Context, *txSpan) {
	if d.config.Tracer == nil {
		return ctx, nil
	}
	ctx, span := d.config.Tracer.Start(ctx, "transaction", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.DBSystemNamePostgreSQL, attribute.Bool("rollcall.read_only", opts.ReadOnly)))
	if scope != Control {
		span.SetAttributes(attribute.String("rollcall.tenant", scope.tenant.String()))
	}
	return ctx, &txSpan{span}
}

// tried notes how many tries there were; none on the replica are counted.
func (s *txSpan) tried(attempts uint) {
	if s != nil {
		s.span.SetAttributes(attribute.Int("rollcall.attempts", int(attempts)))
	}
}

// onReplica notes that the replica has settled it.
func (s *txSpan) onReplica() {
	if s != nil {
		s.span.SetAttributes(attribute.Bool("rollcall.replica", true))
	}
}

// end ends the span. What a client has asked in vain (a row that is not there, a conflict) is no fault of the transaction.
func (s *txSpan) end(err error) {
	if s == nil {
		return
	}
	kind := apperr.KindOf(err)
	if err != nil && (kind == apperr.Internal || kind == apperr.Unavailable || kind == apperr.OutcomeUnknown) {
		s.span.SetStatus(codes.Error, "")
	}
	noteState(s.span, err)
	s.span.End()
}

// noteState notes the SQLSTATE of an error.
func noteState(span trace.Span, err error) {
	if state := sqlState(err); state != "" {
		span.SetAttributes(semconv.DBResponseStatusCode(state))
	}
}

// queryTracer makes the spans of a connection's statements.
type queryTracer struct{ tracer trace.Tracer }

var (
	_ pgx.QueryTracer = queryTracer{}
	_ pgx.BatchTracer = queryTracer{}
)

func (q queryTracer) start(ctx context.Context, name string) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx // outside of a transaction: pings, look-ups of the driver
	}
	ctx, span := q.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), //nolint:spancheck // end ends it
		trace.WithAttributes(semconv.DBSystemNamePostgreSQL, semconv.DBQuerySummary(name)))
	return context.WithValue(ctx, querySpanKey{}, span) //nolint:spancheck // see above
}

// querySpanKey holds the span of the statement that runs, to be told from that of the transaction around it.
type querySpanKey struct{}

func (queryTracer) end(ctx context.Context, err error) {
	span, ok := ctx.Value(querySpanKey{}).(trace.Span)
	if !ok {
		return
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		span.SetStatus(codes.Error, "")
		noteState(span, err)
	}
	span.End()
}

// TraceQueryStart begins the span of one statement.
func (q queryTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return q.start(ctx, queryName(data.SQL))
}

// TraceQueryEnd ends it.
func (q queryTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	q.end(ctx, data.Err)
}

// TraceBatchStart begins the span of statements that are sent together.
func (q queryTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	return q.start(ctx, batchName(data.Batch))
}

// TraceBatchQuery is one of them; they have no spans of their own.
func (queryTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd ends it.
func (q queryTracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	q.end(ctx, data.Err)
}

func batchName(b *pgx.Batch) string {
	texts := make([]string, b.Len())
	for i, query := range b.QueuedQueries {
		texts[i] = query.SQL
	}
	return nameTogether(texts)
}

// traceExchange begins the span of an exchange.
func (l *line) traceExchange(ctx context.Context, statements []statement) (end func(error)) {
	q, traced := l.tracer.(queryTracer)
	if !traced {
		return func(error) {}
	}
	texts := make([]string, len(statements))
	for i, s := range statements {
		texts[i] = s.sql
	}
	ctx = q.start(ctx, nameTogether(texts))
	return func(err error) { q.end(ctx, err) }
}

// nameTogether names statements that are sent together after all that they do: "begin GetStudent commit", or "CreateUser" for
// however many rows.
func nameTogether(texts []string) string {
	var names []string
	for _, text := range texts {
		name := queryName(text)
		if name != unnamed && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return unnamed
	}
	return strings.Join(names, " ")
}

// unnamed are the statements of tools, and of the transaction itself that go along with others.
const unnamed = "statement"

var nameOfQuery = regexp.MustCompile(`^-- name: (\w+)`)

// queryName is the name that sqlc writes before a query, or the command that begins or ends a transaction.
func queryName(sql string) string {
	if found := nameOfQuery.FindStringSubmatch(sql); found != nil {
		return found[1]
	}
	switch word, _, _ := strings.Cut(sql, " "); word {
	case "begin", "commit", "rollback":
		return word
	}
	return unnamed
}
