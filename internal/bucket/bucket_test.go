package bucket

import (
	"fmt"
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
	aws := func(c *Connection) { c.Endpoint, c.PathStyle = "", false }
	nowhere := connection("", aws)
	if _, err := nowhere.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "set region") || connector.ClassOf(err) != connector.Systemic {
		t.Errorf("without a region: %v", err)
	}
	if b := open(t, connection("http://localhost:1")); b.Region != "us-east-1" {
		t.Errorf("another store's region is %s", b.Region)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	if b := open(t, connection("", aws)); b.Region != "eu-west-1" {
		t.Errorf("the environment's region became %s", b.Region)
	}
	if b := open(t, connection("", aws, func(c *Connection) { c.Region = "eu-west-2" })); b.Region != "eu-west-2" {
		t.Errorf("the setting's region became %s", b.Region)
	}
}

// The environment says neither where the store is nor how often to try.
func TestEnvironmentDoesNotRedirect(t *testing.T) {
	cleanEnv(t)
	d, other := newDouble(t), newDouble(t)
	t.Setenv("AWS_ENDPOINT_URL", other.URL)
	t.Setenv("AWS_ENDPOINT_URL_S3", other.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	b := open(t, connection(d.URL))
	d.answers(reply{status: 503, code: "SlowDown"})
	if err := b.Put(t.Context(), "k", nil, "text/plain"); err == nil {
		t.Fatal("put")
	}
	if n, m := len(d.sent()), len(other.sent()); n != 1 || m != 0 {
		t.Errorf("%d requests, %d elsewhere", n, m)
	}
	b = open(t, connection("", func(c *Connection) { c.Region = "eu-west-1" }))
	if at := b.Client.Options().BaseEndpoint; at != nil {
		t.Errorf("AWS is looked for at %s", *at)
	}
}

func TestNoCredentials(t *testing.T) {
	cleanEnv(t)
	d := newDouble(t)
	b := open(t, connection(d.URL, func(c *Connection) { c.AccessKey, c.SecretKey = secret.Text{}, secret.Text{} }))
	err := b.Put(t.Context(), "k", nil, "text/plain")
	if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "put s3://lake/k: no credentials: ") || !strings.Contains(err.Error(), "access_key and secret_key") {
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

func assuming(endpoint string) func(*Connection) {
	return func(c *Connection) {
		c.AssumeRole.ARN, c.AssumeRole.ExternalID, c.AssumeRole.Endpoint = "arn:aws:iam::123456789012:role/lake", secret.New("hush-external"), endpoint
	}
}

func TestAssumeRole(t *testing.T) {
	cleanEnv(t)
	d := newDouble(t)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	endpoint, asked := security(t, http.StatusOK, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>role-id</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>`+
		`<SessionToken>role-token</SessionToken><Expiration>`+until+`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	b := open(t, connection(d.URL, assuming(endpoint)))
	for range 3 {
		if err := b.Put(t.Context(), "k", nil, "text/plain"); err != nil {
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
	for _, r := range d.sent() {
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
			b := open(t, connection(d.URL, assuming(endpoint)))
			err := b.Put(t.Context(), "k", nil, "text/plain")
			if err == nil || connector.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "put s3://lake/k: no credentials: ") {
				t.Errorf("%v: %v", connector.ClassOf(err), err)
			}
			if len(asked) != 1 || len(d.sent()) != 0 {
				t.Errorf("STS was asked %d times", len(asked))
			}
			noSecrets(t, err)
		})
	}
}

func TestPut(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Connection)
		once   bool
		want   map[string]string // "" is a header that isn't there
	}{
		"plain": {func(*Connection) {}, false, map[string]string{
			"Content-Type": "application/json", "X-Amz-Checksum-Crc32c": "KXvQqg==", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "If-None-Match": "",
			"X-Amz-Acl": "", "X-Amz-Server-Side-Encryption": "", "X-Amz-Expected-Bucket-Owner": "", "X-Amz-Sdk-Checksum-Algorithm": "", "X-Amz-Trailer": "", "Content-Encoding": "",
		}},
		"everything, once": {everything, true, map[string]string{
			"X-Amz-Acl": "bucket-owner-full-control", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key-1",
			"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "true", "X-Amz-Expected-Bucket-Owner": "123456789012", "If-None-Match": "*",
		}},
		"two layers": {func(c *Connection) { c.Encryption.Type = DSSEKMS }, false, map[string]string{
			"X-Amz-Server-Side-Encryption": "aws:kms:dsse", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "",
		}},
		"keys of S3, no checksum": {func(c *Connection) { c.Encryption.Type, c.Checksum = SSES3, ChecksumNone }, false, map[string]string{
			"X-Amz-Server-Side-Encryption": "AES256", "X-Amz-Checksum-Crc32c": "", "X-Amz-Content-Sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			b := open(t, connection(d.URL, c.change))
			if err := b.Send(t.Context(), "a/k", []byte("{}"), "application/json", Condition{Absent: c.once}); err != nil {
				t.Fatal(err)
			}
			sent := d.sent()
			if len(sent) != 1 || sent[0].method != http.MethodPut || sent[0].path != "/lake/a/k" || sent[0].body != "{}" {
				t.Fatalf("sent %+v", sent)
			}
			for name, want := range c.want {
				if got := sent[0].header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

// The time of a call grows with what it sends.
func TestBounded(t *testing.T) {
	for size, want := range map[int64]time.Duration{0: 30 * time.Second, 1 << 20: 38 * time.Second, 5 << 30: 30*time.Second + 40960*time.Second} {
		ctx, cancel := Bounded(t.Context(), CallTimeout, size)
		end, _ := ctx.Deadline()
		if left := time.Until(end); left > want || left < want-10*time.Second {
			t.Errorf("%d bytes end after %v, want %v", size, left, want)
		}
		cancel()
	}
}

// Who calls may say more about a code, and a code of its own doesn't hide the others.
func TestOwnVerdicts(t *testing.T) {
	d := newDouble(t)
	b := open(t, connection(d.URL))
	b.Verdicts = map[string]Verdict{"NotImplemented": {Class: connector.Systemic, Hint: "look at tags"}}
	for code, want := range map[string]string{"NotImplemented": "(look at tags)", "NoSuchBucket": "create the bucket"} {
		d.answers(reply{status: 501, code: code})
		if err := b.Put(t.Context(), "k", nil, "text/plain"); connector.ClassOf(err) != connector.Systemic || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v: %v", connector.ClassOf(err), err)
		}
	}
}
