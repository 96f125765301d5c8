//go:build no_s3

package main

import (
	"context"
	"errors"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/internal/chain"
)

func s3Plugins() []*config.Plugin { return nil }

func (o verifyOptions) bucketPlace(context.Context, string, string) (chain.Place, error) {
	return chain.Place{}, failure{errors.New("this build has no s3: it was built with the tag no_s3")}
}
