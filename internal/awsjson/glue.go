package awsjson

import (
	"maps"

	"github.com/millrace/millrace/connector"
)

// Glue is AWS Glue, for its Data Catalog and its Schema Registry: with the codes that say the same of both, and those of verdicts.
func Glue(verdicts map[string]Verdict) *Service {
	const retryable = connector.Retryable
	all := map[string]Verdict{
		"AlreadyExistsException":          {Class: retryable, Hint: "somebody else creates it now"},
		"ConcurrentModificationException": {Class: retryable, Hint: "somebody else is changing it"},
		"ConflictException":               {Class: retryable, Hint: "somebody else is changing it"},
		"OperationTimeoutException":       {Class: retryable},
	}
	maps.Copy(all, verdicts)
	return &Service{Name: "AWS Glue", Host: "glue", Signing: "glue", Target: "AWSGlue", Version: "1.1", Verdicts: all}
}
