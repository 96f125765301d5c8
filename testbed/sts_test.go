//go:build testbed

package testbed

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What moto's STS issues, the broker takes: until the end that the test has chosen.
func testSTS(t *testing.T, b *SecureBrokers) {
	tokens := b.STS(t, STSOptions{Lifetime: 8 * time.Second})
	for _, env := range append(b.Credentials.NewUser(t, "tests").Env(), tokens.Env()...) { // as a process finds it
		name, value, _ := strings.Cut(env, "=")
		t.Setenv(name, value)
	}
	config, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := sts.NewFromConfig(config)
	begin := time.Now()
	assumed, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(RoleARN("mover")), RoleSessionName: aws.String("pod-2"), ExternalId: aws.String("id"),
	})
	if err != nil {
		t.Fatal(err)
	}
	web, err := client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(RoleARN("web")), RoleSessionName: aws.String("pod-3"), WebIdentityToken: aws.String("token"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for principal, keys := range map[string]struct {
		access, secret, token *string
		ends                  *time.Time
	}{
		AssumedRole("mover", "pod-2"): {assumed.Credentials.AccessKeyId, assumed.Credentials.SecretAccessKey, assumed.Credentials.SessionToken, assumed.Credentials.Expiration},
		AssumedRole("web", "pod-3"):   {web.Credentials.AccessKeyId, web.Credentials.SecretAccessKey, web.Credentials.SessionToken, web.Credentials.Expiration},
	} {
		c := Credentials{Credentials: aws.Credentials{AccessKeyID: *keys.access, SecretAccessKey: *keys.secret, SessionToken: *keys.token}}
		if err := b.Connect(t, IAM, kgo.SASL(mskIAM(c))).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", principal, err)
		}
		attempts := b.Attempts(t)
		if last := attempts[len(attempts)-1]; last.Principal != principal {
			t.Errorf("the broker knows %s as %+v", principal, last)
		}
		if ends := *keys.ends; ends.Before(begin.Add(7*time.Second)) || ends.After(time.Now().Add(9*time.Second)) {
			t.Errorf("a session of 8 s ends %v after the call", ends.Sub(begin))
		}
	}
	if calls := tokens.Calls(); len(calls) != 2 || calls[0].Get("ExternalId") != "id" || calls[1].Get("WebIdentityToken") != "token" {
		t.Errorf("calls %v", calls)
	}

	tokens.Refuse("mover", true)
	_, err = client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(RoleARN("mover")), RoleSessionName: aws.String("pod-2")})
	var denied smithy.APIError
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDenied" {
		t.Errorf("a refused role: %v", err)
	}
	if who, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil || *who.Arn == "" {
		t.Errorf("another action: %v", err)
	}
}
