package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

const roleARN = "arn:aws:iam::123456789012:role/reader"

func TestValidate(t *testing.T) {
	for name, tt := range map[string]struct {
		config identity.Config
		want   string // "": none
	}{
		"nothing":          {identity.Config{}, ""},
		"all":              {identity.Config{Region: "eu-west-1", AccessKey: secret.New("a"), SecretKey: secret.New("b"), AssumeRole: identity.AssumeRole{ARN: roleARN, SessionName: "x-1", ExternalID: secret.New("12")}}, ""},
		"profile":          {identity.Config{Profile: "dev"}, ""},
		"region":           {identity.Config{Region: "eu west"}, `region is "eu west"`},
		"half a key":       {identity.Config{AccessKey: secret.New("a")}, "access_key and secret_key must be set both"},
		"key and profile":  {identity.Config{AccessKey: secret.New("a"), SecretKey: secret.New("b"), Profile: "dev"}, "profile and access_key exclude each other"},
		"no role":          {identity.Config{AssumeRole: identity.AssumeRole{ExternalID: secret.New("12")}}, "assume_role needs arn"},
		"role by name":     {identity.Config{AssumeRole: identity.AssumeRole{ARN: "reader"}}, "assume_role.arn is"},
		"session":          {identity.Config{AssumeRole: identity.AssumeRole{ARN: roleARN, SessionName: "a b"}}, "assume_role.session_name is"},
		"external id":      {identity.Config{AssumeRole: identity.AssumeRole{ARN: roleARN, ExternalID: secret.New("hush hush")}}, "assume_role.external_id must have"},
		"external id kept": {identity.Config{AssumeRole: identity.AssumeRole{ARN: roleARN, ExternalID: secret.From(&place{})}}, ""},
		"endpoint":         {identity.Config{AssumeRole: identity.AssumeRole{ARN: roleARN, Endpoint: "https://hush@sts"}}, "can't hold credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			switch err := tt.config.Validate(); {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "hush"):
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

// A service is STS: it answers as told and keeps what it was asked.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	asked []url.Values
	fail  bool
}

func sts(t *testing.T) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.asked = append(s.asked, r.PostForm)
		switch {
		case s.fail:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
		case r.PostForm.Get("Action") == "GetCallerIdentity":
			fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/reader/millrace</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		default:
			fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>role-%d</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
				len(s.asked), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func clean(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestRole(t *testing.T) {
	clean(t)
	s := sts(t)
	c := identity.Config{Region: "eu-west-1", AccessKey: secret.New("own"), SecretKey: secret.New("own-secret"),
		AssumeRole: identity.AssumeRole{ARN: roleARN, ExternalID: secret.New("12"), Endpoint: s.URL}}
	loaded, err := c.Load(t.Context(), "a test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { identity.Close(loaded) })
	for range 3 {
		got, err := loaded.Credentials.Retrieve(t.Context())
		if err != nil || got.AccessKeyID != "role-1" {
			t.Fatalf("credentials of %s, %v", got.AccessKeyID, err)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("STS was asked %d times, want once", len(s.asked))
	}
	for name, want := range map[string]string{"Action": "AssumeRole", "RoleArn": roleARN, "ExternalId": "12", "RoleSessionName": "millrace", "DurationSeconds": "3600"} {
		if got := s.asked[0].Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	identity.Refused(loaded)
	if got, err := loaded.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != "role-2" {
		t.Errorf("credentials of %s, %v after a refusal", got.AccessKeyID, err)
	}
	who, err := identity.Principal(t.Context(), loaded, s.URL)
	if err != nil || who != "arn:aws:sts::123456789012:assumed-role/reader/millrace" {
		t.Errorf("principal %s, %v", who, err)
	}
}

func TestRoleDenied(t *testing.T) {
	clean(t)
	s := sts(t)
	s.fail = true
	c := identity.Config{Region: "eu-west-1", AccessKey: secret.New("own"), SecretKey: secret.New("hush-hush"), AssumeRole: identity.AssumeRole{ARN: roleARN, Endpoint: s.URL}}
	loaded, err := c.Load(t.Context(), "a test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { identity.Close(loaded) })
	_, err = loaded.Credentials.Retrieve(t.Context())
	var unknown *identity.Error
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "sts:AssumeRole") || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v", err)
	}
	if len(s.asked) != 1 {
		t.Errorf("STS was asked %d times: the connector retries, not the SDK", len(s.asked))
	}
}

// place is where an access key is kept.
type place struct{ text, refused string }

func (p *place) String() string { return "secret lake" }

func (p *place) Read(_ context.Context, refused string) (string, error) {
	p.refused = refused
	return p.text, nil
}

func TestKeysThatAreKeptElsewhere(t *testing.T) {
	clean(t)
	at := &place{text: "first"}
	c := identity.Config{AccessKey: secret.New("id"), SecretKey: secret.From(at)}
	loaded, err := c.Load(t.Context(), "a test")
	if err != nil {
		t.Fatal(err)
	}
	got, err := loaded.Credentials.Retrieve(t.Context())
	if err != nil || got.SecretAccessKey != "first" || !got.CanExpire || time.Until(got.Expires) > 5*time.Minute {
		t.Errorf("credentials of %s until %s, %v: a secret that may change must be read again", got.AccessKeyID, got.Expires, err)
	}
	at.text = "second"
	if got, err = loaded.Credentials.Retrieve(t.Context()); err != nil || got.SecretAccessKey != "first" {
		t.Errorf("secret %s, %v: it isn't due yet", got.SecretAccessKey, err)
	}
	identity.Refused(loaded)
	if got, err = loaded.Credentials.Retrieve(t.Context()); err != nil || got.SecretAccessKey != "second" || at.refused != "first" {
		t.Errorf("secret %s, %v after a refusal of %q", got.SecretAccessKey, err, at.refused)
	}
	fixed := identity.Config{AccessKey: secret.New("id"), SecretKey: secret.New("s")}
	if loaded, err = fixed.Load(t.Context(), "a test"); err != nil {
		t.Fatal(err)
	}
	if got, err = loaded.Credentials.Retrieve(t.Context()); err != nil || got.CanExpire {
		t.Errorf("a written key ends at %s, %v", got.Expires, err)
	}
}

func TestUnknownProfile(t *testing.T) {
	clean(t)
	_, err := identity.Config{Profile: "nobody"}.Load(t.Context(), "the topic cars")
	if connector.ClassOf(err) != connector.Systemic || !strings.Contains(fmt.Sprint(err), "for the topic cars") {
		t.Errorf("error %v", err)
	}
}
