//go:build !no_traces

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
)

// tracesTimeout is how long the end of the process waits for the collector.
const tracesTimeout = 5 * time.Second

// Traces continue the traces of those who produce: a record whose header traceparent says that it is sampled gets a span of
// its time from the fetch to the pipeline. Others get none.
type traces struct{ provider *sdktrace.TracerProvider }

// openTraces begins to send spans to an OpenTelemetry collector by OTLP/HTTP, in the background. The OTEL_ variables of the
// environment count too: OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS.
func openTraces(ctx context.Context, to string, log *slog.Logger) (*traces, error) {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--traces needs the URL of a collector, such as http://localhost:4318, not %q", to)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", err) }))
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, fmt.Errorf("--traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "millrace"), attribute.String("service.version", build().Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("--traces: %w", err)
	}
	return &traces{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))}, nil
}

// follow lets a connector that isn't open yet make spans, if it reads Kafka.
func (t *traces) follow(c *config.Connector) {
	k, ok := c.Source.Config.(*kafka.Config)
	if !ok {
		return
	}
	k.Options = append(k.Options, kgo.WithHooks(received{kotel.NewTracer(
		kotel.TracerProvider(t.provider), kotel.TracerPropagator(propagation.TraceContext{}), kotel.ClientID(k.ClientID), kotel.ConsumerGroup(k.Group),
		kotel.KeyFormatter(func(*kgo.Record) (string, error) { return "", errNoKeys }),
	)}))
}

// errNoKeys keeps keys out of spans: they are data of records.
var errNoKeys = errors.New("keys are data of records")

// close sends what is left.
func (t *traces) close() {
	ctx, cancel := context.WithTimeout(context.Background(), tracesTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// received is the part of a tracer for records that are fetched. What the dead letter produces keeps the headers that it
// came with, traceparent too.
type received struct{ tracer *kotel.Tracer }

var (
	_ kgo.HookFetchRecordBuffered   = received{}
	_ kgo.HookFetchRecordUnbuffered = received{}
)

// OnFetchRecordBuffered begins a record's span.
func (r received) OnFetchRecordBuffered(record *kgo.Record) { r.tracer.OnFetchRecordBuffered(record) }

// OnFetchRecordUnbuffered ends it.
func (r received) OnFetchRecordUnbuffered(record *kgo.Record, polled bool) {
	r.tracer.OnFetchRecordUnbuffered(record, polled)
}
