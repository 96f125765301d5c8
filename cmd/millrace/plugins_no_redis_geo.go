//go:build no_redis_geo

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/config"
)

func redisGeoPlugins() []*config.Plugin { return nil }

func quietRedis() {}

// demoCommand has nothing to show: the demo's cars go to Redis.
func (c *command) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "demo",
		Short:  "Not in this build, which has no redis_geo",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return failure{errors.New("the demo needs redis_geo, and this build was built with the tag no_redis_geo")}
		},
	}
}
