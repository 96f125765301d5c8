package kafka

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

const arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0123abcd-01ab-01ab-01ab-0123456789ab-2"

func TestAddresses(t *testing.T) {
	shared := `{"broker-2": {"endpoint_url": "b-2.x.kafka.eu-west-1.amazonaws.com", "broker_port": "9094"},
		"broker-1": {"endpoint_url": "b-1.x.kafka.eu-west-1.amazonaws.com", "broker_port": 9094, "service_name": "com.amazonaws.vpce.x"}}`
	for text, want := range map[string]string{
		"a:1, b:2 ,":                   "a:1,b:2",
		shared:                         "b-1.x.kafka.eu-west-1.amazonaws.com:9094,b-2.x.kafka.eu-west-1.amazonaws.com:9094",
		`{"a": {"endpoint_url": "h"}}`: "error",
		`{"a": {"broker_port": 1}}`:    "error",
		`{"a": {"endpoint_url": "h", "broker_port": 1.5}}`: "error",
		`{"username": "` + canary + `"}`:                   "error",
		`{` + canary:                                       "error",
	} {
		// A list of the file's, which is cut at commas, is the same text.
		for _, texts := range [][]string{{text}, strings.Split(text, ",")} {
			got, err := addresses(texts)
			if err != nil {
				silent(t, err)
				got = []string{"error"}
			}
			if strings.Join(got, ",") != want {
				t.Errorf("%s: %v %v", text, got, err)
			}
		}
	}
}

// msk is a double of the API of Amazon MSK.
func msk(t *testing.T, status int, code string, fields map[string]string) (endpoint string, asked *http.Request) {
	asked = new(http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r
		w.Header().Set("Content-Type", "application/json")
		if code != "" {
			w.Header().Set("X-Amzn-ErrorType", code)
			fields = map[string]string{"message": "told by the double"}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(fields)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

var everything = map[string]string{
	"bootstrapBrokerString": "plain:9092", "bootstrapBrokerStringTls": "tls-1:9094,tls-2:9094",
	"bootstrapBrokerStringSaslScram": "scram:9096", "bootstrapBrokerStringSaslIam": "iam:9098",
	"bootstrapBrokerStringPublicTls": "public-tls:9194", "bootstrapBrokerStringPublicSaslScram": "public-scram:9196",
	"bootstrapBrokerStringPublicSaslIam": "public-iam:9198", "bootstrapBrokerStringVpcConnectivityTls": "vpc-tls:14001",
	"bootstrapBrokerStringVpcConnectivitySaslScram": "vpc-scram:14001", "bootstrapBrokerStringVpcConnectivitySaslIam": "vpc-iam:14001",
}

func awsKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("AWS_REGION", "")
}

func TestClusterLookUp(t *testing.T) {
	awsKeys(t)
	for want, c := range map[string]struct{ access, auth string }{
		"plain:9092": {"", authNone}, "tls-1:9094,tls-2:9094": {"", authTLS}, "scram:9096": {Private, authSCRAM}, "iam:9098": {"", authIAM},
		"public-tls:9194": {Public, authMTLS}, "public-scram:9196": {Public, authSCRAM}, "public-iam:9198": {Public, authIAM},
		"vpc-tls:14001": {VPC, authTLS}, "vpc-scram:14001": {VPC, authSCRAM}, "vpc-iam:14001": {VPC, authIAM},
	} {
		endpoint, asked := msk(t, http.StatusOK, "", everything)
		got, err := Cluster{ARN: arn, Access: c.access, Endpoint: endpoint}.lookUp(t.Context(), identity.Config{}, c.auth)
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("%v: %v %v, want %s", c, got, err, want)
		}
		if asked.Method != http.MethodGet || asked.URL.Path != "/v1/clusters/"+arn+"/bootstrap-brokers" {
			t.Errorf("asked %s %s", asked.Method, asked.URL.EscapedPath())
		}
		if !strings.Contains(asked.Header.Get("Authorization"), "/eu-west-1/kafka/aws4_request") {
			t.Errorf("signed for %s", asked.Header.Get("Authorization"))
		}
	}
}

func TestClusterErrors(t *testing.T) {
	awsKeys(t)
	what := "cluster: look up the brokers of " + arn + ": "
	for name, c := range map[string]struct {
		status int
		code   string
		fields map[string]string
		class  connector.Class
		text   string
	}{
		"not found": {404, "NotFoundException", nil, connector.Systemic, what + "there is no such cluster in this account and Region: check the ARN"},
		"forbidden": {403, "ForbiddenException", nil, connector.Systemic, what + "allow this principal kafka:GetBootstrapBrokers on " + arn},
		"denied":    {403, "AccessDeniedException", nil, connector.Systemic, "allow this principal kafka:GetBootstrapBrokers on " + arn},
		"creating":  {400, "BadRequestException", nil, connector.Systemic, "check the ARN, and that the cluster is active"},
		"busy":      {429, "TooManyRequestsException", nil, connector.Retryable, what},
		"down":      {500, "InternalServerErrorException", nil, connector.Retryable, what},
		"without this way in": {200, "", map[string]string{"bootstrapBrokerStringSaslIam": "iam:9098", "bootstrapBrokerStringTls": "tls:9094"}, connector.Systemic,
			what + "it has no private addresses for auth: scram; it has private msk_iam, private tls: change auth or cluster.access, or turn that access on in the cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, _ := msk(t, c.status, c.code, c.fields)
			config := DefaultConfig()
			config.Topics, config.Group, config.Cluster = []string{"t"}, "g", Cluster{ARN: arn, Endpoint: endpoint}
			config.Auth.SCRAM = &SCRAM{Username: secret.New("u"), Password: secret.New(canary)}
			_, err := config.Open(t.Context())
			has(t, err, c.text)
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %s", connector.ClassOf(err))
			}
			silent(t, err)
		})
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := Cluster{ARN: arn, Endpoint: "http://127.0.0.1:1"}.lookUp(t.Context(), identity.Config{}, authIAM)
	has(t, err, what+"no credentials of AWS: ")
}

// A source that names a cluster is the dead letter's too.
func TestWithSourceTakesTheCluster(t *testing.T) {
	s := DefaultConfig()
	s.Cluster.ARN, s.Auth.MSKIAM = arn, &MSKIAM{}
	d := DeadLetterConfig{}.WithSource(s)
	if d.Cluster != s.Cluster || d.Auth.MSKIAM == nil {
		t.Errorf("%+v", d)
	}
	if d := (DeadLetterConfig{Brokers: []string{"a:1"}}).WithSource(s); d.Cluster != (Cluster{}) || d.Auth.MSKIAM != nil {
		t.Errorf("%+v", d)
	}
}
