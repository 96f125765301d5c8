package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/lines"
)

// A benchCase is a piece of work, done by a bare program and by Millrace. In the cases avro- the bare program is goavro, in the cases glue- it is
// Millrace's own pipeline of the same records as JSON.
type benchCase struct {
	name     string
	data     data    // that the pipeline reads; "": none from Kafka
	floorOn  data    // that the floor reads; "": the same
	target   float64 // ratio that we aim for; 0: none
	calls    *calls  // nil: none
	floor    func(ctx context.Context, s settings) error
	pipeline func(ctx context.Context, s settings) error
}

// calls are what a case asks of the stub that answers after callLatency.
type calls struct {
	batch   int   // items of a request, at most
	records int64 // at most: more take no more CPU each, but time
}

func cases() []benchCase {
	return []benchCase{
		{"consume", trips, "", 1.15, nil, floorDiscard, pipelineDiscard},
		{"files-raw-gzip", trips, "", 1.15, nil, floorFiles("gzip"), pipelineFiles("gzip", "raw")},
		{"files-gzip", trips, "", 1.15, nil, floorFiles("gzip"), pipelineFiles("gzip", "json")},
		{"files-zstd", trips, "", 1.15, nil, floorFiles("zstd"), pipelineFiles("zstd", "json")},
		{"s3-raw-gzip", trips, "", 1.15, nil, floorS3(lines.Gzip), pipelineS3("gzip", "raw")},
		{"s3-gzip", trips, "", 1.15, nil, floorS3(lines.Gzip), pipelineS3("gzip", "json")},
		{"s3-zstd", trips, "", 1.15, nil, floorS3(lines.Zstd), pipelineS3("zstd", "json")},
		{"s3-parquet", trips, "", 1.2, nil, floorParquet, pipelineParquet(tripSchema)},
		{"glue-s3-parquet", tripsGlue, trips, 1, nil, pipelineParquet(tripSchema), pipelineGlue(glueParquet)},
		{"redis-geo", positions, "", 1.2, nil, floorRedis, pipelineRedis},
		{"dynamodb", trips, "", 1.1, &calls{batchWriteItems, 200_000}, floorDynamoDB, pipelineDynamoDB("fast")},
		{"dynamodb-newest", trips, "", 1.1, &calls{1, 20_000}, floorDynamoDBNewest, pipelineDynamoDB("newest")},
		{"eventbridge", trips, "", 1.1, &calls{eventEntries, 200_000}, floorEventBridge, pipelineEventBridge},
		{"filter", trips, "", 0, nil, floorFilter, pipelineFilter},
		{"map", trips, "", 0, nil, floorMap, pipelineMap},
		{"avro-json", "", "", 0.12, nil, floorAvro(true), pipelineAvroJSON},
		{"avro-values", "", "", 0, nil, floorAvro(false), pipelineAvroValues},
		{"glue-s3-gzip", tripsGlue, trips, 1.25, nil, pipelineS3("gzip", "json"), pipelineGlue(glueLines("gzip"))},
		{"glue-s3-zstd", tripsGlue, trips, 1.25, nil, pipelineS3("zstd", "json"), pipelineGlue(glueLines("zstd"))},
	}
}

// records is how many of n records a run of the case reads.
func (c *benchCase) records(n int64) int64 {
	if c.calls == nil {
		return n
	}
	return min(n, c.calls.records)
}

// topicOf names the topic of so many records of a kind.
func topicOf(d data, n int64) string { return fmt.Sprintf("%s-%d", d, n) }

func names() (ns []string) {
	for _, c := range cases() {
		ns = append(ns, c.name)
	}
	return ns
}

func choose(text string) ([]benchCase, error) {
	if text == "" {
		return cases(), nil
	}
	var chosen []benchCase
	for name := range strings.SplitSeq(text, ",") {
		i := slices.IndexFunc(cases(), func(c benchCase) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no case %q; there are %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, cases()[i])
	}
	return chosen, nil
}

// child does the work of a case in this process.
func child(ctx context.Context, s settings) error {
	chosen, err := choose(s.only)
	if err != nil {
		return err
	}
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if s.child == "floor" {
		return chosen[0].floor(ctx, s)
	}
	return chosen[0].pipeline(ctx, s)
}
