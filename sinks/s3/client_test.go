package s3

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// cleanEnv takes away what the machine's environment says of AWS.
func cleanEnv(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_MAX_ATTEMPTS",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestRegion(t *testing.T) {
	cleanEnv(t)
	aws := func(c *Config) { c.Endpoint, c.PathStyle = "", false }
	if _, err := config("", aws).open(t.Context()); err == nil || !strings.Contains(err.Error(), "set region") || connector.ClassOf(err) != connector.Systemic {
		t.Errorf("without a region: %v", err)
	}
	if s := openStore(t, config("http://localhost:1")); s.Region != "us-east-1" {
		t.Errorf("another store's region is %s", s.Region)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	if s := openStore(t, config("", aws)); s.Region != "eu-west-1" {
		t.Errorf("the environment's region became %s", s.Region)
	}
	if s := openStore(t, config("", aws, func(c *Config) { c.Region = "eu-west-2" })); s.Region != "eu-west-2" {
		t.Errorf("the setting's region became %s", s.Region)
	}
}

// The environment says neither where the store is nor how often to try.
func TestEnvironmentDoesNotRedirect(t *testing.T) {
	cleanEnv(t)
	d, other := newDouble(t), newDouble(t)
	t.Setenv("AWS_ENDPOINT_URL", other.URL)
	t.Setenv("AWS_ENDPOINT_URL_S3", other.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	s := openStore(t, config(d.URL))
	d.answers("PutObject", reply{status: 503, code: "SlowDown"})
	if err := s.Put(t.Context(), "k", nil); err == nil {
		t.Fatal("put")
	}
	if n, m := len(d.sent("PutObject")), len(other.sent("PutObject")); n != 1 || m != 0 {
		t.Errorf("%d requests, %d elsewhere", n, m)
	}
	s = openStore(t, config("", func(c *Config) { c.Region = "eu-west-1" }))
	if at := s.client.Options().BaseEndpoint; at != nil {
		t.Errorf("AWS is looked for at %s", *at)
	}
}

func TestNoCredentials(t *testing.T) {
	cleanEnv(t)
	d := newDouble(t)
	s := openStore(t, config(d.URL, func(c *Config) { c.AccessKey, c.SecretKey = secret.Text{}, secret.Text{} }))
	_, err := s.Get(t.Context(), "k")
	if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "get s3://lake/k: no credentials: ") || !strings.Contains(err.Error(), "access_key and secret_key") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
}

// security is an STS that gives one answer.
func security(t *testing.T, status int, body string) (endpoint string, asked chan url.Values) {
	t.Helper()
	asked = make(chan url.Values, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		r.PostForm.Set("signed by", r.Header.Get("Authorization"))
		asked <- r.PostForm
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func assuming(endpoint string) func(*Config) {
	return func(c *Config) {
		c.AssumeRole.ARN, c.AssumeRole.ExternalID, c.AssumeRole.Endpoint = "arn:aws:iam::123456789012:role/lake", secret.New("hush-external"), endpoint
	}
}

func TestAssumeRole(t *testing.T) {
	cleanEnv(t)
	d := newDouble(t)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	endpoint, asked := security(t, http.StatusOK, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>role-id</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>`+
		`<SessionToken>role-token</SessionToken><Expiration>`+until+`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	s := openStore(t, config(d.URL, assuming(endpoint)))
	for range 3 {
		if err := s.Put(t.Context(), "k"+time.Now().String(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(asked) != 1 {
		t.Errorf("STS was asked %d times", len(asked))
	}
	q := <-asked
	for name, want := range map[string]string{
		"Action": "AssumeRole", "RoleArn": "arn:aws:iam::123456789012:role/lake", "ExternalId": "hush-external", "RoleSessionName": "millrace", "DurationSeconds": "3600",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if !strings.Contains(q.Get("signed by"), "Credential=id/") {
		t.Errorf("STS was asked by %s", q.Get("signed by"))
	}
	for _, r := range d.sent("PutObject") {
		if r.header.Get("X-Amz-Security-Token") != "role-token" || !strings.Contains(r.header.Get("Authorization"), "Credential=role-id/") {
			t.Errorf("the request isn't the role's: %v", r.header)
		}
	}
}

func TestAssumeRoleFails(t *testing.T) {
	cleanEnv(t)
	refused := func(code, message string) string {
		return "<ErrorResponse><Error><Code>" + code + "</Code><Message>" + message + "</Message></Error></ErrorResponse>"
	}
	for name, c := range map[string]struct {
		status int
		body   string
		class  connector.Class
		want   string
	}{
		"denied":      {403, refused("AccessDenied", "not authorized to perform: sts:AssumeRole"), blocking, "look at assume_role: the trust policy of arn:aws:iam::123456789012:role/lake, external_id"},
		"unknown key": {403, refused("InvalidClientTokenId", "The security token included in the request is invalid."), blocking, "doesn't know the access key"},
		"expired":     {403, refused("ExpiredTokenException", "expired"), blocking, "have expired"},
		"busy":        {400, refused("Throttling", "Rate exceeded"), transient, "Throttling"},
		"down":        {503, "", transient, "no credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			endpoint, asked := security(t, c.status, c.body)
			s := openStore(t, config(d.URL, assuming(endpoint)))
			err := s.Put(t.Context(), "k", nil)
			if err == nil || connector.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "put s3://lake/k: no credentials: ") {
				t.Errorf("%v: %v", connector.ClassOf(err), err)
			}
			if len(asked) != 1 || len(d.sent("PutObject")) != 0 {
				t.Errorf("STS was asked %d times", len(asked))
			}
			noSecrets(t, err)
		})
	}
}
