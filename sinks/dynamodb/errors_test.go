package dynamodb

import (
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
)

func TestErrors(t *testing.T) {
	const retryable, systemic, permanent = connector.Retryable, connector.Systemic, connector.Permanent
	for _, tc := range []struct {
		status        int
		code, message string
		class         connector.Class
		hint          string
	}{
		{400, "ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded", retryable, "partition key is hot"},
		{400, "ThrottlingException", "Rate exceeded", retryable, "partition key is hot"},
		{400, "RequestLimitExceeded", "Throughput exceeds the current throughput limit for your account", retryable, "quota"},
		{400, "TransactionConflictException", "", retryable, "transaction"},
		{400, "ReplicatedWriteConflictException", "", retryable, "Region"},
		{400, "ResourceInUseException", "", retryable, "being created"},
		{500, "InternalServerError", "", retryable, ""},
		{503, "ServiceUnavailable", "", retryable, ""},
		{502, "", "<html>bad gateway</html>", retryable, ""},
		{400, codeNoTable, "Requested resource not found", systemic, "table, region and endpoint"},
		{400, "AccessDeniedException", "User: u is not authorized", systemic, "dynamodb:PutItem on table trips"},
		{400, "UnrecognizedClientException", "The security token included in the request is invalid", systemic, "access key"},
		{400, "ExpiredTokenException", "", systemic, "expired"},
		{400, "KMSDisabledException", "", systemic, ""},
		{400, "SomethingNewException", "", systemic, ""},
		{400, "SerializationException", "", systemic, ""},
		{413, "", "", systemic, ""},
		{400, "ItemCollectionSizeLimitExceededException", "", permanent, "10 GB"},
		{400, codeValidation, "Item size has exceeded the maximum allowed size", permanent, ""},
		{400, codeValidation, "Item size to update has exceeded the maximum allowed size", permanent, ""},
		{400, codeValidation, "Number overflow. Attempting to store a number with magnitude larger than supported range", permanent, ""},
		{400, codeValidation, "One or more parameter values were invalid: Type mismatch for Index Key n Expected: S Actual: N IndexName: byN", permanent, ""},
		{400, codeValidation, "An operand in the update expression has an incorrect data type", permanent, ""},
		{400, codeValidation, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id", permanent, ""},
		// Every record would be refused: none is to blame.
		{400, codeValidation, "The provided key element does not match the schema", systemic, "start again"},
		{400, codeValidation, "One or more parameter values were invalid: Missing the key id in the item", systemic, "start again"},
		{400, codeValidation, "One or more parameter values were invalid: Type mismatch for key id expected: N actual: S", systemic, "start again"},
		{400, codeValidation, "One of the required keys was not given a value", systemic, "start again"},
		{400, codeValidation, `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "<"`, systemic, ""},
		{400, codeValidation, "Invalid UpdateExpression: Two document paths overlap with each other", systemic, ""},
	} {
		d := newDouble(t)
		s := open(t, config(d.URL, newest))
		d.once(tc.status, fault(tc.code, tc.message))
		errs, err := try(t, s, origin{}, rec{key: "a", value: `{}`})
		err = firstOf(err, errs[0])
		if err == nil || connector.ClassOf(err) != tc.class || !strings.Contains(err.Error(), tc.hint) || !strings.Contains(err.Error(), "PutItem on table trips") {
			t.Errorf("%d %s, %s: %v (%v); want %v, %q", tc.status, tc.code, tc.message, err, connector.ClassOf(err), tc.class, tc.hint)
		}
		if len(d.plain("")) != 0 {
			t.Error("the item was written")
		}
	}
}

func TestStart(t *testing.T) {
	const keys = `"KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],` +
		`"AttributeDefinitions":[{"AttributeName":"at","AttributeType":"N"},{"AttributeName":"id","AttributeType":"S"}]`
	composite := func(c *Config) { c.Key = append(c.Key, Attribute{"at", "value.at"}) }
	for name, tc := range map[string]struct {
		answer string
		change func(*Config)
		want   string // "": no error
		class  connector.Class
	}{
		"as it is":       {table, nil, "", 0},
		"updating":       {strings.Replace(table, "ACTIVE", "UPDATING", 1), nil, "", 0},
		"composite":      {`{"Table":{"TableStatus":"ACTIVE",` + keys + `}}`, composite, "", 0},
		"missing a key":  {`{"Table":{"TableStatus":"ACTIVE",` + keys + `}}`, nil, `"at" of type N`, connector.Systemic},
		"too much a key": {table, composite, `"at" doesn't belong`, connector.Systemic},
		"other key":      {strings.ReplaceAll(table, `"id"`, `"trip"`), nil, `"trip" of type S`, connector.Systemic},
		"odd key type":   {strings.Replace(table, `"S"`, `"X"`, 1), nil, `of type "X"`, connector.Systemic},
		"no key":         {`{"Table":{"TableStatus":"ACTIVE"}}`, nil, "no partition key", connector.Systemic},
		"creating":       {strings.Replace(table, "ACTIVE", "CREATING", 1), nil, "is being created", connector.Retryable},
		"deleting":       {strings.Replace(table, "ACTIVE", "DELETING", 1), nil, "its status is DELETING", connector.Systemic},
		"KMS":            {strings.Replace(table, "ACTIVE", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", 1), nil, "KMS key", connector.Systemic},
		"no table":       {fault(codeNoTable, "Requested resource not found: Table: trips not found"), nil, "there is no trips in Region eu-west-1 at http://", connector.Systemic},
		"denied":         {fault("AccessDeniedException", "no"), nil, "dynamodb:DescribeTable on table trips", connector.Systemic},
		"not DynamoDB":   {`<html></html>`, nil, "the answer isn't one of dynamodb", connector.Retryable},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.describe = tc.answer
			c := config(d.URL)
			if tc.change != nil {
				tc.change(&c)
			}
			s, err := c.Open(t.Context())
			if s != nil {
				defer s.Close()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || connector.ClassOf(err) != tc.class) {
				t.Errorf("got %v (%v), want %q (%v)", err, connector.ClassOf(err), tc.want, tc.class)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// TestRegionOfARN: the table's ARN says which Region requests are signed for.
func TestRegionOfARN(t *testing.T) {
	d := newDouble(t)
	var signed string
	front := d.Config.Handler
	d.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = r.Header.Get("Authorization")
		front.ServeHTTP(w, r)
	})
	open(t, config(d.URL, func(c *Config) { c.Region, c.Table = "", "arn:aws:dynamodb:ap-northeast-2:123456789012:table/trips" }))
	if !strings.Contains(signed, "/ap-northeast-2/dynamodb/aws4_request") {
		t.Errorf("signed by %s", signed)
	}
}
