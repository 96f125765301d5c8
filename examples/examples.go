// Package examples holds the configuration files of the examples beside it, so that the demo runs
// the very files that people copy.
package examples

import "embed"

// Files are the configuration files, such as gps-to-redis/millrace.yaml.
//
//go:embed gps-to-redis/millrace.yaml gps-to-files/millrace.yaml topics-to-s3/millrace.yaml glue/millrace.yaml
//go:embed clickstream-lake/millrace.yaml fraud-to-eventbridge/millrace.yaml fraud-to-eventbridge/notification.avsc trips-to-dynamodb/millrace.yaml
var Files embed.FS
