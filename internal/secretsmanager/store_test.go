package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-7f3a"

// A service answers like Secrets Manager. Its fields may be changed between calls.
type service struct {
	mu     sync.Mutex
	status int
	body   string // JSON
	code   string // of an error
	calls  int
	asked  []string      // regions and names
	gate   chan struct{} // nil, or what each call waits for
}

func (s *service) set(change func(*service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		SecretID string `json:"SecretId"`
	}
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		gate := s.gate
		s.calls++
		s.mu.Unlock()
		<-gate
		s.mu.Lock()
		s.calls--
	}
	s.calls++
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	if err := json.Unmarshal(body, &in); err != nil || len(scope) < 3 || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.asked = append(s.asked, scope[2]+" "+in.SecretID)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", s.code)
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	_, _ = io.WriteString(w, s.body)
}

// text is the answer of a secret that holds a text.
func text(s string) string {
	out, _ := json.Marshal(map[string]string{"SecretString": s})
	return string(out)
}

// start is a Store whose clock stands still at *now, and the service that it asks.
func start(t *testing.T) (s *Store, sm *service, now *atomic.Pointer[time.Time]) {
	t.Helper()
	sm = &service{}
	server := httptest.NewServer(sm)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secretkey",
		"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s = New()
	now = &atomic.Pointer[time.Time]{}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now.Store(&begin)
	s.now = func() time.Time { return *now.Load() }
	t.Cleanup(func() {
		for _, c := range s.clients {
			if h, ok := c.Options().HTTPClient.(*http.Client); ok {
				h.CloseIdleConnections()
			}
		}
	})
	return s, sm, now
}

func pass(now *atomic.Pointer[time.Time], d time.Duration) {
	later := now.Load().Add(d)
	now.Store(&later)
}

func source(t *testing.T, s *Store, name, field, region string) secret.Source {
	t.Helper()
	p, err := s.Secret(name, field, region)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSecretNames(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:msk/reader-a1b2c3"
	for _, tt := range []struct{ name, region, want string }{
		{"msk/reader", "", ""},
		{"AmazonMSK_reader", "eu-central-1", ""},
		{arn, "", ""},
		{arn, "us-east-2", ""},
		{arn, "us-east-1", "the region of " + arn + " is us-east-2, not us-east-1"},
		{"arn:aws:s3:::bucket", "", "is no secret: write its name, or an ARN"},
		{"a name", "", `"a name" is no secret`},
		{"", "", "is no secret"},
		{strings.Repeat("x", 513), "", "is no secret"},
		{"x", "Frankfurt", `region is "Frankfurt"`},
	} {
		_, err := New().Secret(tt.name, "", tt.region)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q in %q: %v, want %q", tt.name, tt.region, err, tt.want)
		}
	}
	s := New()
	one, same, other := source(t, s, "a", "f", ""), source(t, s, "a", "f", ""), source(t, s, "a", "g", "")
	if !reflect.DeepEqual(one, same) || reflect.DeepEqual(one, other) || one.String() != "secret a, field f" {
		t.Errorf("%s, %s, %s", one, same, other)
	}
}

func TestRegions(t *testing.T) {
	s, sm, _ := start(t)
	sm.body = text("x")
	const arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:msk/reader-a1b2c3"
	for _, p := range []secret.Source{source(t, s, "a", "", ""), source(t, s, "a", "", "ap-south-1"), source(t, s, arn, "", ""), source(t, s, arn, "", "us-east-2")} {
		if _, err := p.Read(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"eu-west-1 a", "ap-south-1 a", "us-east-2 " + arn}; !reflect.DeepEqual(sm.asked, want) {
		t.Errorf("asked for %q, want %q", sm.asked, want)
	}
}

func TestWhatASecretHolds(t *testing.T) {
	for name, tt := range map[string]struct{ body, field, want, err string }{
		"whole text":    {text(`{"a":1}`), "", `{"a":1}`, ""},
		"empty":         {text(""), "", "", ""},
		"field":         {text(`{"password":"` + canary + `"}`), "password", canary, ""},
		"escapes":       {text(`{"p":"a\"\u00e9\n"}`), "p", "a\"é\n", ""},
		"number":        {text(`{"port":9096}`), "port", "9096", ""},
		"object":        {text(`{"p": {"a": [1]}}`), "p", `{"a": [1]}`, ""},
		"bytes":         {`{"SecretBinary":"eA=="}`, "", "x", ""},
		"field, bytes":  {`{"SecretBinary":"eyJhIjoiYiJ9"}`, "a", "b", ""},
		"not UTF-8":     {`{"SecretBinary":"/w=="}`, "", "", "it holds bytes that aren't UTF-8: a setting needs a text"},
		"no such field": {text(`{"username":"` + canary + `","password":"` + canary + `"}`), "pass", "", "it has no such field; it has password, username"},
		"no fields":     {text(`{}`), "a", "", "it has no fields: its JSON object is empty"},
		"null field":    {text(`{"a":null}`), "a", "", "the field is null"},
		"not JSON":      {text(canary), "a", "", `it doesn't hold a JSON object: leave field out for the whole text, or store {"a": ...}`},
		"a list":        {text(`["` + canary + `"]`), "a", "", "it doesn't hold a JSON object"},
		"null":          {text("null"), "a", "", "it doesn't hold a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			s, sm, _ := start(t)
			sm.body = tt.body
			got, err := source(t, s, "a", tt.field, "").Read(t.Context(), "")
			switch {
			case tt.err == "" && (err != nil || got != tt.want):
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || connector.ClassOf(err) != connector.Systemic || got != ""):
				t.Errorf("%q, %v; want the systemic error %q", got, err, tt.err)
			case err != nil && strings.Contains(err.Error(), canary):
				t.Errorf("%v shows what the secret holds", err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	const deniedRead = "User: arn:aws:iam::123456789012:user/u is not authorized to perform: secretsmanager:GetSecretValue on resource: msk/reader because no identity-based policy allows it"
	for _, tt := range []struct {
		status              int
		code, message, want string
		class               connector.Class
	}{
		{400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", "there is no secret msk/reader in region eu-west-1", systemic},
		{400, "AccessDeniedException", deniedRead, "(the credentials need secretsmanager:GetSecretValue on msk/reader)", systemic},
		{400, "AccessDeniedException", "Access to KMS is not allowed", "kms:Decrypt on the KMS key of the secret", systemic},
		{400, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", "kms:Decrypt on the KMS key of the secret", systemic},
		{400, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", "restore it", systemic},
		{400, "InvalidParameterException", "Invalid name.", "look at secret", systemic},
		{400, "ThrottlingException", "Rate exceeded", "Secrets Manager limits its requests", retryable},
		{400, "LimitExceededException", "", "Secrets Manager limits its requests", retryable},
		{400, "UnrecognizedClientException", "The security token included in the request is invalid.", "AWS doesn't know the access key", systemic},
		{400, "ExpiredTokenException", "The security token included in the request is expired", "the credentials have expired", systemic},
		{400, "InvalidSignatureException", "Signature expired", "this machine's clock is wrong", systemic},
		{400, "SomethingNew", "", "SomethingNew", systemic},
		{500, "InternalServiceError", "An error occurred on the server side.", "InternalServiceError: An error occurred", retryable},
		{503, "", "", "Secrets Manager in eu-west-1", retryable},
	} {
		t.Run(tt.code+" "+tt.message, func(t *testing.T) {
			s, sm, _ := start(t)
			body, _ := json.Marshal(map[string]string{"__type": tt.code, "message": tt.message})
			sm.status, sm.code, sm.body = tt.status, tt.code, string(body)
			_, err := source(t, s, "msk/reader", "password", "").Read(t.Context(), "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || connector.ClassOf(err) != tt.class {
				t.Errorf("%v (%s); want %q, %s", err, connector.ClassOf(err), tt.want, tt.class)
			}
			if sm.calls != 1 {
				t.Errorf("%d calls, want 1", sm.calls)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Run("closed port", func(t *testing.T) {
		s, _, _ := start(t)
		server := httptest.NewServer(http.NotFoundHandler())
		t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL)
		server.Close()
		_, err := source(t, s, "a", "", "").Read(t.Context(), "")
		if err == nil || connector.ClassOf(err) != retryable || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%v", err)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		s, _, _ := start(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		_, err := source(t, s, "a", "", "").Read(t.Context(), "")
		if err == nil || connector.ClassOf(err) != systemic || !strings.Contains(err.Error(), "no credentials: ") {
			t.Errorf("%v", err)
		}
	})
	t.Run("no region", func(t *testing.T) {
		s, _, _ := start(t)
		t.Setenv("AWS_REGION", "")
		t.Setenv("AWS_DEFAULT_REGION", "")
		_, err := source(t, s, "a", "", "").Read(t.Context(), "")
		if err == nil || connector.ClassOf(err) != systemic || !strings.Contains(err.Error(), "set AWS_REGION") {
			t.Errorf("%v", err)
		}
	})
	t.Run("an authority that nobody knows", func(t *testing.T) {
		s, sm, _ := start(t)
		server := httptest.NewUnstartedServer(sm)
		server.Config.ErrorLog = nil
		server.StartTLS()
		defer server.Close()
		t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL)
		_, err := source(t, s, "a", "", "").Read(t.Context(), "")
		if err == nil || connector.ClassOf(err) != systemic || !strings.Contains(err.Error(), "AWS_CA_BUNDLE") {
			t.Errorf("%v", err)
		}
	})
}

// A step is a Read at a time since the step before, and what Secrets Manager holds by then.
type step struct {
	after   time.Duration
	holds   string // "" for throttling
	refused string
	want    string // "" for an error
	calls   int    // since the beginning
}

func TestRenewal(t *testing.T) {
	for name, steps := range map[string][]step{
		"kept for 5 minutes":            {{0, "a", "", "a", 1}, {4*time.Minute + 59*time.Second, "b", "", "a", 1}, {time.Second, "b", "", "b", 2}},
		"asked for again when refused":  {{0, "a", "", "a", 1}, {time.Second, "b", "a", "b", 2}},
		"every 10 seconds":              {{0, "a", "", "a", 1}, {0, "a", "a", "a", 2}, {9 * time.Second, "b", "a", "a", 2}, {time.Second, "b", "a", "b", 3}},
		"an older one was refused":      {{0, "b", "", "b", 1}, {0, "c", "a", "b", 1}},
		"an outage":                     {{0, "a", "", "a", 1}, {5 * time.Minute, "", "", "a", 2}, {9 * time.Second, "", "", "a", 2}, {time.Second, "b", "", "b", 3}},
		"an outage at the beginning":    {{0, "", "", "", 1}, {900 * time.Millisecond, "a", "", "", 1}, {100 * time.Millisecond, "a", "", "a", 2}},
		"refused during an outage":      {{0, "a", "", "a", 1}, {0, "", "a", "", 2}, {time.Second, "", "a", "", 2}, {9 * time.Second, "b", "a", "b", 3}},
		"refused, others go on":         {{0, "a", "", "a", 1}, {0, "", "a", "", 2}, {time.Second, "", "", "a", 2}},
		"a field that came later":       {{0, "-", "", "", 1}, {0, "a", "", "a", 2}},
		"a field that came, 10 seconds": {{0, "-", "", "", 1}, {0, "-", "", "", 2}, {9 * time.Second, "a", "", "", 2}, {time.Second, "a", "", "a", 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s, sm, now := start(t)
			p := source(t, s, "a", "p", "")
			for i, step := range steps {
				pass(now, step.after)
				sm.set(func(sm *service) {
					sm.status, sm.code, sm.body = 0, "", text(`{"p":"`+step.holds+`"}`)
					switch step.holds {
					case "":
						sm.status, sm.code, sm.body = http.StatusBadRequest, "ThrottlingException", "{}"
					case "-":
						sm.body = text(`{"q":"x"}`)
					}
				})
				got, err := p.Read(t.Context(), step.refused)
				if got != step.want || (err == nil) != (step.want != "") || sm.calls != step.calls {
					t.Errorf("step %d: %q, %v after %d calls; want %q after %d", i+1, got, err, sm.calls, step.want, step.calls)
				}
			}
		})
	}
}

// All who want a secret wait for one call, and it goes on when the first of them gives up.
func TestOneCallAtATime(t *testing.T) {
	s, sm, _ := start(t)
	sm.body, sm.gate = text(`{"a":"x","b":"x"}`), make(chan struct{})
	first, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gave up")
	ended := make(chan error, 1)
	go func() {
		_, err := source(t, s, "a", "a", "").Read(first, "")
		ended <- err
	}()
	for waiting := 0; waiting == 0; sm.set(func(sm *service) { waiting = sm.calls }) {
	}
	cancel(gone)
	if err := <-ended; !errors.Is(err, gone) {
		t.Errorf("the first: %v", err)
	}
	var all sync.WaitGroup
	for _, field := range []string{"a", "b", "a", "b", "a", "b"} {
		all.Go(func() {
			if got, err := source(t, s, "a", field, "").Read(t.Context(), ""); got != "x" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	close(sm.gate)
	all.Wait()
	if sm.calls != 1 {
		t.Errorf("%d calls, want 1", sm.calls)
	}
	// Who saw nothing, and comes when the call has ended, gets its answer.
	if a, err := s.ask(t.Context(), location{name: "a"}, 0, false); err != nil || !a.ok || sm.calls != 1 {
		t.Errorf("%+v, %v after %d calls, want 1", a, err, sm.calls)
	}
}
