//go:build no_glue

package main

import (
	"context"
	"errors"

	"github.com/millrace/millrace/connector/config"
)

func gluePlugins() []*config.Plugin { return nil }

func openGlue(_ context.Context, settings any, _ registryOptions) (schemaRegistry, bool, error) {
	if settings != nil {
		return nil, false, nil
	}
	return nil, true, errors.New("this build has no glue: it was built with the tag no_glue")
}
