package jobs

import (
	"context"
	"encoding/json"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// spans makes a span of each job, named by its task, with the tenant and how long it has waited; not with the text of an error, which
// may quote what the task worked on.
type spans struct {
	river.MiddlewareDefaults

	tracer trace.Tracer
}

var _ rivertype.WorkerMiddleware = (*spans)(nil)

// Work runs the job within its span.
func (s *spans) Work(ctx context.Context, job *rivertype.JobRow, doInner func(context.Context) error) error {
	name, attributes := describe(job)
	ctx, span := s.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...))
	defer span.End()
	err := doInner(ctx)
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	return err
}

func describe(job *rivertype.JobRow) (name string, attributes []attribute.KeyValue) {
	attributes = []attribute.KeyValue{attribute.String("rollcall.queue", job.Queue)}
	if job.AttemptedAt != nil {
		attributes = append(attributes, attribute.Int64("rollcall.waited_ms", job.AttemptedAt.Sub(job.ScheduledAt).Milliseconds()))
	}
	var task taskArgs
	if job.Kind != task.Kind() || json.Unmarshal(job.EncodedArgs, &task) != nil {
		return job.Kind, attributes
	}
	return task.Task, append(attributes, attribute.String("rollcall.tenant", task.Tenant.String()))
}

// traceAttrs lead from a line of the log to the trace, if there is one.
func traceAttrs(ctx context.Context) []any {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return []any{"traceId", span.TraceID().String()}
	}
	return nil
}
