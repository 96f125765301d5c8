package testbed

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// An STS is moto's STS for a secure Kafka: credentials that it issues are put into the broker's table before the client has them. It
// stands between the clients and moto, which tells nobody the secrets that it gave out.
type STS struct {
	Endpoint string // http://127.0.0.1:15123, for the SDK's BaseEndpoint or AWS_ENDPOINT_URL_STS

	lifetime time.Duration
	table    *CredentialTable

	mu      sync.Mutex
	calls   []url.Values
	refused map[string]bool // ARNs of roles
}

// STSOptions say what an STS answers. The zero value is moto, the shared one if the environment names it, and its lifetimes.
type STSOptions struct {
	Moto     *S3
	Lifetime time.Duration // of all sessions, in whole seconds, whatever the client asks for, which the SDK holds to 900 s and more
}

// STS returns an STS that ends with the test.
func (b *SecureBrokers) STS(t testing.TB, o STSOptions) *STS {
	t.Helper()
	return startSTS(t, b.Credentials, o)
}

func startSTS(t testing.TB, table *CredentialTable, o STSOptions) *STS {
	t.Helper()
	if o.Moto == nil {
		o.Moto = Moto(t)
	}
	moto, err := url.Parse(o.Moto.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s := &STS{table: table, lifetime: o.Lifetime, refused: make(map[string]bool)}
	proxy := &httputil.ReverseProxy{
		Transport:      &http.Transport{DisableKeepAlives: true}, // a test that looks for leaks finds no idle connection
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(moto) },
		ModifyResponse: s.learn,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, proxy) }))
	t.Cleanup(server.Close)
	s.Endpoint = server.URL
	return s
}

// Env is the environment that sends a process's calls of STS here. Its own credentials come beside it: Credentials.Env, or
// AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE as EKS sets them.
func (s *STS) Env() []string {
	return []string{"AWS_ENDPOINT_URL_STS=" + s.Endpoint, "AWS_REGION=" + iamRegion, "AWS_EC2_METADATA_DISABLED=true"}
}

// Refuse makes STS answer AccessDenied to who wants to assume a role, given by its name, or not any more.
func (s *STS) Refuse(role string, refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[RoleARN(role)] = refuse
}

// Calls returns the parameters of all calls so far: Action, RoleArn, RoleSessionName, ExternalId, WebIdentityToken and others.
func (s *STS) Calls() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]url.Values(nil), s.calls...)
}

func (s *STS) serve(w http.ResponseWriter, r *http.Request, moto http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	call, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	refused := s.refused[call.Get("RoleArn")]
	s.mu.Unlock()
	if refused {
		deny(w, call)
		return
	}
	if assumes(call) && s.lifetime > 0 {
		call.Set("DurationSeconds", strconv.Itoa(int(s.lifetime.Seconds())))
	}
	text := call.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	moto.ServeHTTP(w, r)
}

func assumes(call url.Values) bool { return strings.HasPrefix(call.Get("Action"), "AssumeRole") }

// deny answers as AWS does to who lacks a right.
func deny(w http.ResponseWriter, call url.Values) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
		`<Message>User: arn:aws:iam::%s:user/tests is not authorized to perform: sts:%s on resource: %s</Message>`+
		`</Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>`,
		account, call.Get("Action"), call.Get("RoleArn"))
}

// issuedKeys are the part of an answer that AssumeRole and AssumeRoleWithWebIdentity have in common, one level below the root.
type issuedKeys struct {
	Results []struct {
		Credentials struct {
			AccessKeyID  string    `xml:"AccessKeyId"`
			SecretKey    string    `xml:"SecretAccessKey"`
			SessionToken string    `xml:"SessionToken"`
			Expiration   time.Time `xml:"Expiration"`
		}
		AssumedRoleUser struct{ Arn string }
	} `xml:",any"`
}

// learn puts credentials that moto issues into the table.
func (s *STS) learn(r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	var answer issuedKeys
	if err := xml.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read moto's answer: %w", err)
	}
	for _, result := range answer.Results {
		keys := result.Credentials
		if result.AssumedRoleUser.Arn == "" {
			continue
		}
		err := s.table.put(Credentials{
			Credentials: aws.Credentials{
				AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretKey, SessionToken: keys.SessionToken,
				CanExpire: true, Expires: keys.Expiration,
			},
			Principal: result.AssumedRoleUser.Arn,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
