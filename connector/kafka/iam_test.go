package kafka

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	kgoaws "github.com/twmb/franz-go/pkg/sasl/aws"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

func iamSigner(t *testing.T, m MSKIAM, clientID string) *signer {
	t.Helper()
	made, err := m.method(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.close)
	return made.(*signer)
}

func decode(t *testing.T, message []byte) map[string]string {
	t.Helper()
	fields := map[string]string{}
	if err := json.Unmarshal(message, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// What is sent is what franz-go sends, which was made from Amazon's own library, but for the name of the client.
func TestTheSignedMessageIsFranzGos(t *testing.T) {
	awsKeys(t)
	for _, token := range []string{"", "token/with+odd=signs&" + canary} {
		for _, address := range []string{
			"b-1.orders.abc123.c2.kafka.us-east-1.amazonaws.com:9098", "boot-x1.c1.kafka-serverless.eu-central-1.amazonaws.com:9098",
			"b-1.orders.abc123.c2.kafka.cn-north-1.amazonaws.com.cn:9098", "b-1-public.orders.abc123.c2.kafka.us-gov-west-1.amazonaws.com:9198",
		} {
			t.Setenv("AWS_SESSION_TOKEN", token)
			oracle := kgoaws.Auth{AccessKey: "AKIDEXAMPLE", SecretKey: canary, SessionToken: token, UserAgent: "millrace"}.AsManagedStreamingIAMMechanism()
			_, message, err := oracle.Authenticate(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			want := decode(t, message)
			now, err := time.Parse("20060102T150405Z", want["x-amz-date"])
			if err != nil {
				t.Fatal(err)
			}
			if message, err = iamSigner(t, MSKIAM{}, "").message(t.Context(), address, now); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, decode(t, message)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", address, diff)
			}
		}
	}
}

func TestTheRegionIsFound(t *testing.T) {
	awsKeys(t)
	for _, c := range []struct{ host, setting, environment, want string }{
		{"b-1.orders.abc123.c2.kafka.us-east-1.amazonaws.com", "", "eu-west-1", "us-east-1"},
		{"b-1.orders.abc123.c2.kafka.us-east-1.amazonaws.com", "ap-south-2", "eu-west-1", "ap-south-2"},
		{"boot-x1.c1.kafka-serverless.eu-central-1.amazonaws.com", "", "", "eu-central-1"},
		{"vpce-0a1.vpce-svc-0b2.us-west-2.vpce.amazonaws.com", "", "", "us-west-2"},
		{"B-1.ORDERS.abc123.c2.kafka.US-EAST-1.amazonaws.com.", "", "", "us-east-1"},
		{"kafka.eu-west-3.example.com", "", "eu-west-1", "eu-west-1"},
		{"kafka.example.com", "eu-west-2", "", "eu-west-2"},
		{"localhost", "", "", ""},
		{"nothing.amazonaws.com", "", "", ""},
	} {
		t.Setenv("AWS_REGION", c.environment)
		message, err := iamSigner(t, MSKIAM{Config: identity.Config{Region: c.setting}}, "").message(t.Context(), c.host+":9098", time.Now())
		if c.want == "" {
			has(t, err, "the AWS Region of broker "+c.host+" isn't known from its name: set auth.msk_iam.region, or AWS_REGION")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		fields := decode(t, message)
		if !strings.Contains(fields["x-amz-credential"], "/"+c.want+"/kafka-cluster/aws4_request") || fields["host"] != c.host {
			t.Errorf("%s: %v, want %s", c.host, fields, c.want)
		}
	}
}

// sts is a double that gives out a role's credentials, and says who calls.
func sts(t *testing.T) (endpoint string, asked *[]string) {
	asked = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, string(body))
		w.Header().Set("Content-Type", "text/xml")
		if strings.Contains(string(body), "GetCallerIdentity") {
			_, _ = io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/alice</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
			return
		}
		_, _ = io.WriteString(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>`+canary+
			`</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// The session has the client's name, always the same, so that the principal doesn't change.
func TestARoleIsAssumed(t *testing.T) {
	awsKeys(t)
	for clientID, want := range map[string]string{"cars-gps": "cars-gps", "cars gps": "millrace", "": "millrace"} {
		endpoint, asked := sts(t)
		m := MSKIAM{Config: identity.Config{AssumeRole: identity.AssumeRole{ARN: "arn:aws:iam::123456789012:role/team/reader", Endpoint: endpoint}}}
		s := iamSigner(t, m, clientID)
		message, err := s.message(t.Context(), "b.kafka.us-east-1.amazonaws.com:9098", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if f := decode(t, message); !strings.HasPrefix(f["x-amz-credential"], "ASIAROLE/") || f["x-amz-security-token"] != "role-token" {
			t.Errorf("%v", f)
		}
		if len(*asked) != 1 || !strings.Contains((*asked)[0], "RoleSessionName="+want) {
			t.Errorf("asked %q", *asked)
		}
		if got := s.principal(); got != "arn:aws:sts::123456789012:assumed-role/reader/"+want {
			t.Errorf("principal %s", got)
		}
	}
}

func TestThePrincipalOfAKeyIsAskedFor(t *testing.T) {
	awsKeys(t)
	endpoint, _ := sts(t)
	s := iamSigner(t, MSKIAM{Config: identity.Config{AssumeRole: identity.AssumeRole{Endpoint: endpoint}}}, "")
	if got := s.principal(); got != "" {
		t.Errorf("principal %s before anybody was asked", got)
	}
	s.identify(t.Context())
	if got := s.principal(); got != "arn:aws:iam::123456789012:user/alice" {
		t.Errorf("principal %s", got)
	}
}

// A broker's refusal of IAM names the right and the likely causes.
func TestIAMIsRefused(t *testing.T) {
	awsKeys(t)
	ca, server := certificate(t, "broker.test")
	f := locked(t, "PLAIN", kfake.TLS(server))
	f.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		return r.ResponseKind(), nil, true
	})
	f.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		text := "[0b6f]: Access denied"
		answer.ErrorCode, answer.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &text
		return answer, nil, true
	})
	config := f.config("t")
	config.TLS = TLS{CAFile: ca, ServerName: "broker.test"}
	config.Auth.MSKIAM = &MSKIAM{Config: identity.Config{
		Region: "eu-west-1", AccessKey: secret.New("AKIDEXAMPLE"), SecretKey: secret.New(canary),
	}}
	_, err := config.Open(t.Context())
	has(t, err, "brokers 127.0.0.1:", "SASL authentication failed: SASL_AUTHENTICATION_FAILED", "[0b6f]: Access denied",
		"(allow this principal kafka-cluster:Connect on the cluster by an IAM policy; if it is allowed, check the Region (eu-west-1: auth.msk_iam.region), "+
			"this machine's clock, and whether the credentials have expired; Amazon MSK refuses connections beyond its quota with the same error)")
	if connector.ClassOf(err) != connector.Systemic {
		t.Errorf("class %s", connector.ClassOf(err))
	}
	silent(t, err)
}

// Without credentials the message says for what, and where to set them.
func TestIAMWithoutCredentials(t *testing.T) {
	awsKeys(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	config := newFake(t, kfake.SeedTopics(1, "t")).config("t")
	config.Auth.MSKIAM = &MSKIAM{}
	_, err := config.Open(t.Context())
	has(t, err, "auth: SASL authentication failed: no credentials of AWS: ", "check auth.msk_iam, and that this pod or machine has the role")
	if connector.ClassOf(err) != connector.Systemic {
		t.Errorf("class %s", connector.ClassOf(err))
	}
}
