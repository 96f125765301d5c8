//go:build no_traces

package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/millrace/millrace/connector/config"
)

// Traces are left out of this build, because they need five megabytes.
type traces struct{}

func openTraces(context.Context, string, *slog.Logger) (*traces, error) {
	return nil, errors.New("--traces: this build has no traces: build it without the tag no_traces")
}

func (*traces) follow(*config.Connector) {}
func (*traces) close()                   {}
