package main

import (
	"slices"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/internal/secretsmanager"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/connectjson"
	"github.com/millrace/millrace/serde/csv"
	"github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/serde/jsonschema"
	"github.com/millrace/millrace/serde/protobuf"
	"github.com/millrace/millrace/serde/textline"
	"github.com/millrace/millrace/sinks/dynamodb"
	"github.com/millrace/millrace/sinks/file"
	"github.com/millrace/millrace/sinks/stdout"
)

// plugins is what this build can read, decode, do and write: one line each. To build a Millrace with a
// sink of your own, copy this command and add a line.
//
// What brings an SDK has a file of its own here, which the build tag no_NAME leaves out: no_s3, no_redis_geo,
// no_eventbridge (whose oversize brings the SDK of S3 too), no_glue, no_confluent.
func plugins() *config.Registry {
	return config.NewRegistry(slices.Concat(s3Plugins(), redisGeoPlugins(), eventBridgePlugins(), gluePlugins(), confluentPlugins(), []*config.Plugin{
		config.Source("kafka", kafkaDefaults),

		config.DecoderOf("json", json.DefaultConfig, json.New),
		config.DecoderOf("json_schema", jsonschema.DefaultConfig, jsonschema.New),
		config.DecoderOf("connect_json", connectjson.DefaultConfig, connectjson.New),
		config.DecoderOf("avro", avro.DefaultConfig, avro.New),
		config.DecoderOf("avro_container", avro.DefaultContainerConfig, avro.NewContainer),
		config.DecoderOf("protobuf", protobuf.DefaultConfig, protobuf.New),
		config.DecoderOf("csv", csv.DefaultConfig, csv.New),
		config.DecoderOf("text_line", textline.DefaultConfig, textline.New),
		config.PlainDecoder("string", serde.StringDecoder{}),
		config.PlainDecoder("bytes", serde.BytesDecoder{}),

		config.Handler("filter", handlers.DefaultFilter),
		config.Handler("map", handlers.DefaultMap),
		config.Handler("set", handlers.DefaultSet),
		config.Handler("rename", handlers.DefaultRename),
		config.Handler("drop", handlers.DefaultDrop),
		config.Handler("mask", handlers.DefaultMask),
		config.Handler("flatten", handlers.DefaultFlatten),
		config.Handler("event_pattern", handlers.DefaultEventPattern),

		config.Stager("file", file.DefaultConfig),
		config.Loader("dynamodb", dynamodb.DefaultConfig),
		config.Loader("stdout", stdout.DefaultConfig),

		config.DeadLetterBeside("kafka", kafka.DefaultDeadLetterConfig, openDeadLetter),
		config.DeadLetter("file", file.DefaultDeadLetterConfig),

		config.Secrets(secretsmanager.New()),
	})...)
}
