package testbed

import (
	"context"
	"embed"
	"fmt"
)

// What gives a broker the mechanism AWS_MSK_IAM, which only MSK has.
//
//go:embed iam/*.java
var iamSources embed.FS

// IAMPlugin returns the folder with the classes of the broker's SASL plug-in; javac makes it if it isn't in the cache.
func IAMPlugin(ctx context.Context) (string, error) {
	jars, err := KafkaJars(ctx)
	if err != nil {
		return "", err
	}
	classes, err := javaClasses(ctx, iamSources, "iam", jars, pom)
	if err != nil {
		return "", fmt.Errorf("compile the broker's IAM plug-in: %w", err)
	}
	return classes, nil
}
