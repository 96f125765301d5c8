//go:build !no_eventbridge

package main

import (
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/sinks/eventbridge"
)

func eventBridgePlugins() []*config.Plugin {
	return []*config.Plugin{config.Loader("eventbridge", eventbridge.DefaultConfig)}
}
