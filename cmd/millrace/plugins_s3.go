//go:build !no_s3

package main

import (
	"context"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/sinks/s3"
)

func s3Plugins() []*config.Plugin {
	return []*config.Plugin{
		config.Stager("s3", s3.DefaultConfig),
		config.DeadLetter("s3", s3.DefaultDeadLetterConfig),
	}
}

// bucketPlace is where the links below a prefix of a bucket lie.
func (o verifyOptions) bucketPlace(ctx context.Context, bucket, prefix string) (chain.Place, error) {
	sink := s3.DefaultConfig()
	sink.Bucket, sink.Endpoint, sink.Region, sink.PathStyle, sink.Chain = bucket, o.endpoint, o.region, o.pathStyle, o.chain
	sink.Prefix = prefix
	if err := sink.Validate(); err != nil {
		return chain.Place{}, err
	}
	p, err := sink.OpenChain(ctx)
	if err != nil {
		return p, failure{err}
	}
	return p, nil
}
