package dynamodb

import (
	"errors"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

const (
	codeCondition  = "ConditionalCheckFailedException"
	codeValidation = "ValidationException"
	codeNoTable    = "ResourceNotFoundException"
)

var (
	errUnprocessed = connector.Retryable.Errorf("dynamodb had no capacity for the item: its partition key is hot, or the table's write capacity is used up")
	errForeign     = connector.Retryable.Errorf("the answer isn't one of dynamodb: is endpoint, or a proxy on the way, something else?")
)

// service is Amazon DynamoDB, with its error codes (API reference, "Error handling" and "Errors" of each operation).
func service() *awsjson.Service {
	const (
		retryable = connector.Retryable
		systemic  = connector.Systemic
		permanent = connector.Permanent
	)
	return &awsjson.Service{
		Name: "Amazon DynamoDB", Host: "dynamodb", Signing: "dynamodb", Target: "DynamoDB_20120810", Version: "1.0",
		Verdicts: map[string]awsjson.Verdict{
			"ProvisionedThroughputExceededException": {Class: retryable, Hint: "the partition key is hot, or the table's write capacity is used up"},
			"ThrottlingException":                    {Class: retryable, Hint: "the partition key is hot, or the table's write capacity is used up"},
			"RequestLimitExceeded":                   {Class: retryable, Hint: "the account's capacity is used up: its quota can be raised"},
			"TransactionConflictException":           {Class: retryable, Hint: "a transaction of somebody else is changing the item"},
			"ReplicatedWriteConflictException":       {Class: retryable, Hint: "another Region is changing the item"},
			"ResourceInUseException":                 {Class: retryable, Hint: "the table is being created or deleted"},

			// One partition key of a table with local secondary indexes is full; others aren't. The record is kept in the dead letter.
			"ItemCollectionSizeLimitExceededException": {Class: permanent, Hint: "all items of a partition key, with their copies in local secondary indexes, can have 10 GB"},
			// The condition says nothing of the record: who gave it, judges it.
			codeCondition:  {Class: systemic},
			codeValidation: {Class: permanent},
			codeNoTable:    {Class: systemic, Hint: "there is no such table: look at table, region and endpoint"},
		},
	}
}

// ours are beginnings and parts of what a ValidationException says where no record is to blame: the table has another key than it had at the start, or
// a request isn't as DynamoDB takes it.
var ours = []struct{ text, hint string }{
	{"does not match the schema", schemaChanged},
	{"Missing the key", schemaChanged},
	{"required keys was not given", schemaChanged},
	{"Type mismatch for key", schemaChanged},
	{"Invalid UpdateExpression", ""},
	{"Invalid ConditionExpression", ""},
	{"ExpressionAttribute", ""},
	{"item keys contains duplicates", ""},
	{"Invalid table", ""},
}

const schemaChanged = "the table has another key than at the start: start again"

// judge gives an error of the client the class that it has for the records of the request.
func judge(err error) error {
	a := awsjson.Refusal(err)
	if a == nil || a.Code != codeValidation {
		return err
	}
	for _, o := range ours {
		if !strings.Contains(a.Message, o.text) {
			continue
		}
		if o.hint == "" {
			return connector.Systemic.Wrap(err)
		}
		return connector.Systemic.Errorf("%w (%s)", err, o.hint)
	}
	return err
}

func permanent(err error) bool { return connector.ClassOf(err) == connector.Permanent }

// own reports whether an error concerns the items of its request only: others may be written meanwhile.
func own(err error) bool {
	if permanent(err) || errors.Is(err, errUnprocessed) {
		return true
	}
	a := awsjson.Refusal(err)
	if a == nil {
		return false
	}
	switch a.Code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "TransactionConflictException", "ReplicatedWriteConflictException":
		return true
	}
	return false
}
