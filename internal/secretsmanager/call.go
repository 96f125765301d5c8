package secretsmanager

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

type client struct{ *secretsmanager.Client }

// get asks Secrets Manager for the current version of a secret.
func (s *Store) get(ctx context.Context, at location) (string, error) {
	c, err := s.client(ctx, at.region)
	if err != nil {
		return "", err
	}
	out, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &at.name})
	switch {
	case err != nil:
		return "", failure(at, c.Options().Region, err)
	case out.SecretString != nil:
		return *out.SecretString, nil
	case !utf8.Valid(out.SecretBinary):
		return "", connector.Systemic.Errorf("it holds bytes that aren't UTF-8: a setting needs a text")
	}
	return string(out.SecretBinary), nil
}

// client is that of a region. Credentials are looked for again after a failure.
func (s *Store) client(ctx context.Context, region string) (client, error) {
	s.mu.Lock()
	c, ok := s.clients[region]
	s.mu.Unlock()
	if ok {
		return c, nil
	}
	found, err := identity.Config{Region: region}.Load(ctx, "AWS Secrets Manager")
	if err != nil {
		return client{}, err
	}
	if found.Region == "" {
		return client{}, connector.Systemic.Errorf("no AWS Region: set AWS_REGION, or region beside secret")
	}
	// Unlike that of S3, the endpoint may be the environment's (AWS_ENDPOINT_URL_SECRETS_MANAGER): there is no setting for it.
	c = client{secretsmanager.NewFromConfig(found, func(o *secretsmanager.Options) { o.Retryer = aws.NopRetryer{} })}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[region] = c
	return c, nil
}

// fieldOf is a field of the JSON object in a secret's text. What isn't a text there is its JSON. Errors name fields, which are no secrets, and
// no contents.
func fieldOf(text, field string) (string, error) {
	if field == "" {
		return text, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		return "", connector.Systemic.Errorf("it doesn't hold a JSON object: leave field out for the whole text, or store {%q: ...}", field)
	}
	value, ok := fields[field]
	switch {
	case !ok && len(fields) == 0:
		return "", connector.Systemic.Errorf("it has no fields: its JSON object is empty")
	case !ok:
		return "", connector.Systemic.Errorf("it has no such field; it has %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	case string(value) == "null":
		return "", connector.Systemic.Errorf("the field is null")
	}
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s, nil
	}
	return string(value), nil
}
