// Package tracing sets up OpenTelemetry traces: exported by OTLP when the environment says so, and otherwise not there at all.
//
//	getStudent                      internal/server: the operationId, route, status, tenant
//	├─ transaction                  internal/db: tenant, tries
//	│  ├─ begin                     internal/db: one exchange with PostgreSQL each, by the name of the query
//	│  ├─ FindSession
//	│  └─ commit
//	└─ transaction
//
//	seal-audit                      internal/jobs: a job by its task; queue, tenant, how long it waited
//	└─ transaction
//
// Spans carry no personal data: no path, query, header, address, body, argument or text of an error.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-erp/rollcall/internal/version"
)

// Name is the instrumentation's scope.
const Name = "github.com/rollcall-erp/rollcall"

// Lookup is os.LookupEnv, or a map's reading in a test.
type Lookup func(name string) (value string, found bool)

// Tracing is what makes and exports spans.
type Tracing struct{ provider *sdktrace.TracerProvider }

// Start reads the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT and its kin, OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER,
// OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED; OpenTelemetry's "Environment Variable Specification"). It does not
// connect. Without an endpoint, traces are off. An error names the variable.
func Start(ctx context.Context, lookup Lookup) (*Tracing, error) {
	on, err := wanted(lookup)
	if err != nil || !on {
		return &Tracing{}, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export traces by OTLP: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(about()...), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return &Tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}, nil
}

func about() []attribute.KeyValue {
	return []attribute.KeyValue{semconv.ServiceName("rollcall"), semconv.ServiceVersion(version.Read().Version)}
}

// wanted says whether traces are to be exported.
func wanted(lookup Lookup) (bool, error) {
	get := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	endpoint := get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") + get("OTEL_EXPORTER_OTLP_ENDPOINT")
	switch exporter := get("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "otlp":
	case "":
		if endpoint == "" {
			return false, nil
		}
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER: want otlp or none, not %q", exporter)
	}
	protocol := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = get("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol != "" && protocol != "http/protobuf" {
		return false, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL: want http/protobuf (port 4318 of a collector)")
	}
	return true, nil
}

// Tracer makes spans; nil when traces are off.
func (t *Tracing) Tracer() trace.Tracer {
	if t.provider == nil {
		return nil
	}
	return t.provider.Tracer(Name)
}

// Close exports what is left, as far as it can until ctx ends.
func (t *Tracing) Close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("export the last traces: %w", err)
	}
	return nil
}
