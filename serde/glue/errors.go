package glue

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	smithy "github.com/aws/smithy-go"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awserror"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/serde/registry"
)

// An operation is a call of AWS Glue, as messages name it, and the right that it needs.
type operation struct{ verb, right string }

var (
	opVersion    = operation{"get", "glue:GetSchemaVersion"}
	opSchema     = operation{"get", "glue:GetSchema"}
	opSchemas    = operation{"list the schemas of", "glue:ListSchemas"}
	opDefinition = operation{"find", "glue:GetSchemaByDefinition"}
	opCreate     = operation{"create", "glue:CreateSchema"}
	opRegister   = operation{"register a version of", "glue:RegisterSchemaVersion"}
)

// A verdict is what an error code means for the connector, with a hint for the person who reads it.
type verdict = awserror.Verdict

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic

	codeNotFound = "EntityNotFoundException"
	codeDenied   = "AccessDeniedException"

	kmsHint = "the credentials need kms:Decrypt on the KMS key of the registry, and the key must be enabled"
)

// verdicts by the codes of AWS Glue (API reference, "AWS Glue exceptions"). What isn't here is judged as for all services: no record is given up for an
// answer that says nothing of its schema.
var verdicts = map[string]verdict{
	"OperationTimeoutException":       {Class: retryable},
	"ConcurrentModificationException": {Class: retryable},
	"ConflictException":               {Class: retryable},
	"AlreadyExistsException":          {Class: retryable, Hint: "somebody else creates it now"},

	"InvalidInputException":                {Class: systemic, Hint: "look at registry, and at the schema's name and definition"},
	"ValidationException":                  {Class: systemic, Hint: "look at registry, and at the schema's name and definition"},
	"ResourceNumberLimitExceededException": {Class: systemic, Hint: "the account's quota is used up (AWS Glue endpoints and quotas, Schema Registry)"},
	"GlueEncryptionException":              {Class: systemic, Hint: kmsHint},
	"KMSKeyNotAccessibleFault":             {Class: systemic, Hint: kmsHint},
	"UnknownOperationException":            {Class: systemic, Hint: "is endpoint an AWS Glue?"},
}

// An asked is where a question goes, for messages, and who asks.
type asked struct {
	registry, region, endpoint string
	role                       string // that is assumed; "" if none
	login                      *login // nil: somebody else's
}

func (c Connection) asked(l *login) asked {
	return asked{c.Registry, c.Region, c.Endpoint, c.AssumeRole.ARN, l}
}

// failure gives the error of a call its class, and says what was asked for, unless what is "" because the caller does, and what can be
// changed. That there is no such thing has no class: it wraps registry.ErrNotFound.
func (a asked) failure(o operation, what string, err error) error {
	status, code, text := said(err)
	a.login.refused(code)
	place := a.place()
	if code == codeNotFound {
		if what == "" {
			what = "such schema version"
		}
		return awserror.New(fmt.Sprintf("%s has no %s (%s)", place, what, text), errors.Join(registry.ErrNotFound, err))
	}
	v, text := a.judge(o, err, status, code, text)
	text = place + ": " + text
	if what != "" {
		text = o.verb + " " + what + ": " + text
	}
	return v.Wrap(text, err, nil)
}

func (a asked) place() string {
	if a.region == "" {
		return "AWS Glue"
	}
	return "AWS Glue in " + a.region
}

// judge is the verdict on an error, and what it says.
func (a asked) judge(o operation, err error, status int, code, text string) (verdict, string) {
	if unknown, ok := errors.AsType[*identity.Error](err); ok {
		return awserror.Identity(unknown, a.role)
	}
	if status == 0 && code == "" {
		return awserror.Connection(err, a.endpoint, "the way to AWS, such as a VPC endpoint com.amazonaws.REGION.glue")
	}
	denied := code == codeDenied || code == "AccessDenied"
	switch v, known := verdicts[code]; {
	case denied && strings.Contains(strings.ToLower(text), "kms:"):
		return verdict{Class: systemic, Hint: kmsHint}, text
	case denied:
		return verdict{Class: systemic, Hint: fmt.Sprintf("the credentials need %s on registry %s and its schemas", o.right, a.registry)}, text
	case known:
		return v, text
	}
	return awserror.Of(code, status), text
}

// said is what AWS Glue, or STS before it, answered; zero where there was no answer.
func said(err error) (status int, code, text string) {
	status, code, text = awserror.Said(err)
	if code == "UnknownError" { // the SDK's, where there is no code
		code, text = "", awserror.Text(status, "", "")
	}
	if broken, ok := errors.AsType[*smithy.DeserializationError](err); ok && status == http.StatusOK {
		text = "the answer can't be read: " + broken.Unwrap().Error()
	}
	return status, code, text
}
