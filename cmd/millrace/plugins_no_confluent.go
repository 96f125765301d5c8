//go:build no_confluent

package main

import (
	"errors"

	"github.com/millrace/millrace/connector/config"
)

func confluentPlugins() []*config.Plugin { return nil }

func openConfluent(settings any, _ registryOptions) (schemaRegistry, bool, error) {
	if settings != nil {
		return nil, false, nil
	}
	return nil, true, errors.New("this build has no confluent: it was built with the tag no_confluent")
}
