package main

import (
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/sinks/file"
	"github.com/millrace/millrace/sinks/redisgeo"
	"github.com/millrace/millrace/sinks/s3"
	"github.com/millrace/millrace/sinks/stdout"
)

// plugins is what this build can read, decode, do and write: one line each. To build a Millrace with a
// sink of your own, copy this command and add a line.
func plugins() *config.Registry {
	return config.NewRegistry(
		config.Source("kafka", kafkaDefaults),

		config.DecoderOf("json", json.DefaultConfig, json.New),
		config.PlainDecoder("string", serde.StringDecoder{}),
		config.PlainDecoder("bytes", serde.BytesDecoder{}),

		config.Handler("filter", handlers.DefaultFilter),
		config.Handler("map", handlers.DefaultMap),
		config.Handler("set", handlers.DefaultSet),
		config.Handler("rename", handlers.DefaultRename),
		config.Handler("drop", handlers.DefaultDrop),
		config.Handler("mask", handlers.DefaultMask),
		config.Handler("flatten", handlers.DefaultFlatten),

		config.Loader("redis_geo", redisgeo.DefaultConfig),
		config.Stager("s3", s3.DefaultConfig),
		config.Stager("file", file.DefaultConfig),
		config.Loader("stdout", stdout.DefaultConfig),

		config.DeadLetterBeside("kafka", kafka.DefaultDeadLetterConfig, openDeadLetter),
		config.DeadLetter("s3", s3.DefaultDeadLetterConfig),
		config.DeadLetter("file", file.DefaultDeadLetterConfig),
	)
}
