package glue

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awserror"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/serde/registry"
)

// verbs are what messages call operations.
var verbs = map[string]string{
	opVersion:    "get",
	opSchema:     "get",
	opSchemas:    "list the schemas of",
	opDefinition: "find",
	opCreate:     "create",
	opRegister:   "register a version of",
}

const (
	codeNotFound = "EntityNotFoundException"
	codeDenied   = "AccessDeniedException"

	kmsHint   = "the credentials need kms:Decrypt on the KMS key of the registry, and the key must be enabled"
	inputHint = "look at registry, and at the schema's name and definition"
)

// service is the Schema Registry, with its error codes (API reference, "AWS Glue exceptions"). What isn't here is judged as for all services: no record
// is given up for an answer that says nothing of its schema.
func service() *awsjson.Service {
	const systemic = connector.Systemic
	return awsjson.Glue(map[string]awsjson.Verdict{
		"InvalidInputException":                {Class: systemic, Hint: inputHint},
		"ValidationException":                  {Class: systemic, Hint: inputHint},
		"ResourceNumberLimitExceededException": {Class: systemic, Hint: "the account's quota is used up (AWS Glue endpoints and quotas, Schema Registry)"},
		"GlueEncryptionException":              {Class: systemic, Hint: kmsHint},
		"KMSKeyNotAccessibleFault":             {Class: systemic, Hint: kmsHint},
	})
}

// failure gives the error of a call its class, and says what was asked for, unless what is "" because the caller does, and what can be
// changed. That there is no such thing has no class: it wraps registry.ErrNotFound.
func (v versions) failure(operation, what string, err error) error {
	if a := awsjson.Refusal(err); a != nil && a.Code == codeNotFound {
		if what == "" {
			what = "such schema version"
		}
		return awserror.New(fmt.Sprintf("%s has no %s (%s)", v.place(), what, said(a)), errors.Join(registry.ErrNotFound, a))
	}
	verdict, text := v.judge(operation, err)
	text = v.place() + ": " + text
	if what != "" {
		text = verbs[operation] + " " + what + ": " + text
	}
	return verdict.Wrap(text, err, nil)
}

func (v versions) place() string {
	if v.region == "" {
		return "AWS Glue"
	}
	return "AWS Glue in " + v.region
}

// judge is the verdict on an error, and what it says.
func (v versions) judge(operation string, err error) (awsjson.Verdict, string) {
	f, ok := errors.AsType[*awsjson.Failure](err)
	if !ok {
		return awsjson.Verdict{Class: connector.ClassOf(err)}, err.Error()
	}
	a := awsjson.Refusal(f)
	if a == nil {
		return f.Verdict, f.Text
	}
	verdict, text := f.Verdict, said(a)
	if a.Code == codeDenied || a.Code == "AccessDenied" {
		verdict.Hint = fmt.Sprintf("the credentials need glue:%s on registry %s and its schemas", operation, v.registry)
		if strings.Contains(strings.ToLower(text), "kms:") {
			verdict.Hint = kmsHint
		}
	}
	return verdict, text
}

// said is an answer without the id of its request: a text that is the same each time.
func said(a *awsjson.Answer) string { return awserror.Text(a.Status, a.Code, a.Message) }
