package eventbridge

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

const (
	opPut      = "PutEvents"
	opDescribe = "DescribeEventBus"
)

const (
	systemic  = connector.Systemic
	permanent = connector.Permanent
)

// service is EventBridge. The codes are those of entries (API reference, PutEventsResultEntry: what it calls not retryable) and of DescribeEventBus; awsjson knows
// those that all services share. A code that is in neither table is systemic: no event goes to the dead letter for a reason that nobody knows.
func service() *awsjson.Service {
	return &awsjson.Service{
		Name: "Amazon EventBridge", Host: "events", Signing: "events", Target: "AWSEvents", Version: "1.1",
		Verdicts: map[string]awsjson.Verdict{
			"MalformedDetail":                     {Class: permanent, Hint: "EventBridge doesn't take the detail for a JSON object"},
			"InvalidArgument":                     {Class: permanent},
			"RedactionFailure":                    {Class: permanent, Hint: "AWS CloudTrail can't redact the event"},
			"InvalidAccountIdException":           {Class: systemic, Hint: "look at the account in bus"},
			"NotAuthorizedForSourceException":     {Class: systemic, Hint: "the policy of the bus, or of the credentials, doesn't allow this source: look at events:source"},
			"NotAuthorizedForDetailTypeException": {Class: systemic, Hint: "the policy of the bus, or of the credentials, doesn't allow this detail-type: look at events:detail-type"},
			"ResourceNotFoundException":           {Class: systemic, Hint: "create the bus, or look at bus and region"},
		},
	}
}

// refusal is what EventBridge said against the entries of a whole request, before it took any of them; nil if err is something else. It checks entries
// together: one that can't be taken fails its neighbours with it.
func refusal(err error) *awsjson.Answer {
	a := awsjson.Refusal(err)
	switch {
	case a == nil:
		return nil
	case connector.ClassOf(err) == permanent:
		return a
	}
	switch a.Code {
	case "RequestEntityTooLarge", "RequestEntityTooLargeException", "SerializationException":
		return a
	case "ValidationException":
		// Besides entries there are only the bus and the endpoint, which are the configuration's.
		text := strings.ToLower(a.Message)
		if strings.Contains(text, "entr") && !strings.Contains(text, "eventbusname") && !strings.Contains(text, "endpointid") {
			return a
		}
	}
	if a.Status == http.StatusRequestEntityTooLarge {
		return a
	}
	return nil
}

// refused is the error of the one record that a request was refused for.
func refused(a *awsjson.Answer, err error) error {
	if a.Code == "SerializationException" {
		return permanent.Wrap(err)
	}
	return permanent.Errorf("%w (if it is for its size, set max_request to what the Region takes, or oversize)", err)
}

// behind is the error of a record that wasn't sent because one before it, of the same key, has to be sent again first.
func behind(err error) error {
	return connector.ClassOf(err).Errorf("waits for an earlier record of its key: %w", err)
}

// tooLarge is the error of an event that fits into no request.
func (s *Sink) tooLarge(size int) error {
	hint := "set oversize to keep a part of it in S3"
	if s.offload != nil {
		hint = "although oversize.s3.field is in S3, or isn't there"
	}
	return permanent.Errorf("the event has %d bytes, by EventBridge's count; max_request is %d (%s)", size, s.maxRequest, hint)
}

// unclear is the error of an answer that says less than what became of each entry.
func (s *Sink) unclear(format string, args ...any) error {
	return connector.Retryable.Errorf("%s on %s: the answer says too little: %s", opPut, s.place, fmt.Sprintf(format, args...))
}
