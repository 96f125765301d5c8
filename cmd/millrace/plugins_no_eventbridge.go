//go:build no_eventbridge

package main

import "github.com/millrace/millrace/connector/config"

func eventBridgePlugins() []*config.Plugin { return nil }
