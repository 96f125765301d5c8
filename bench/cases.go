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
	floor    func(ctx context.Context, s settings) error
	pipeline func(ctx context.Context, s settings) error
}

func cases() []benchCase {
	return []benchCase{
		{"consume", trips, "", 1.15, floorDiscard, pipelineDiscard},
		{"files-raw-gzip", trips, "", 1.15, floorFiles("gzip"), pipelineFiles("gzip", "raw")},
		{"files-gzip", trips, "", 1.15, floorFiles("gzip"), pipelineFiles("gzip", "json")},
		{"files-zstd", trips, "", 1.15, floorFiles("zstd"), pipelineFiles("zstd", "json")},
		{"s3-raw-gzip", trips, "", 1.15, floorS3(lines.Gzip), pipelineS3("gzip", "raw")},
		{"s3-gzip", trips, "", 1.15, floorS3(lines.Gzip), pipelineS3("gzip", "json")},
		{"s3-zstd", trips, "", 1.15, floorS3(lines.Zstd), pipelineS3("zstd", "json")},
		{"redis-geo", positions, "", 1.2, floorRedis, pipelineRedis},
		{"filter", trips, "", 0, floorFilter, pipelineFilter},
		{"map", trips, "", 0, floorMap, pipelineMap},
		{"avro-json", "", "", 0.12, floorAvro(true), pipelineAvroJSON},
		{"avro-values", "", "", 0, floorAvro(false), pipelineAvroValues},
		{"glue-s3-gzip", tripsGlue, trips, 1.25, pipelineS3("gzip", "json"), pipelineGlue("gzip")},
		{"glue-s3-zstd", tripsGlue, trips, 1.25, pipelineS3("zstd", "json"), pipelineGlue("zstd")},
	}
}

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
