package kafka

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskafka "github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// Cluster is an Amazon MSK cluster whose brokers are looked up, in its own Region and as auth.msk_iam or, without that, as whom the AWS SDK finds. It
// takes the right kafka:GetBootstrapBrokers.
type Cluster struct {
	// ARN of the cluster.
	ARN string `yaml:"arn" short:"true"`
	// Which of the cluster's addresses: private, public, or vpc (private connectivity from other VPCs). Empty: private.
	Access string `yaml:"access"`
	// URL of the Amazon MSK API. Empty: that of AWS in the cluster's Region.
	Endpoint string `yaml:"endpoint"`
}

// The values of Cluster.Access.
const (
	Private = "private"
	Public  = "public"
	VPC     = "vpc"
)

var clusterARN = regexp.MustCompile(`^arn:aws[a-z-]*:kafka:([a-z0-9-]+):\d{12}:cluster/[^/\s]+/[^/\s]+$`)

func (c Cluster) validate(auth string) error {
	switch {
	case c == (Cluster{}):
		return nil
	case !clusterARN.MatchString(c.ARN):
		return fmt.Errorf("cluster: %q isn't the ARN of an Amazon MSK cluster, such as arn:aws:kafka:eu-west-1:123456789012:cluster/NAME/UUID", c.ARN)
	case !slices.Contains([]string{"", Private, Public, VPC}, c.Access):
		return fmt.Errorf("cluster.access: %q is none of %s, %s, %s", c.Access, Private, Public, VPC)
	case auth == authPlain || auth == authOAuth:
		return fmt.Errorf("cluster: Amazon MSK takes no auth: %s; it takes none, tls, mtls, scram and msk_iam", auth)
	case auth == authNone && c.Access != "" && c.Access != Private:
		return fmt.Errorf("cluster.access: Amazon MSK has %s addresses only for auth: tls, mtls, scram and msk_iam", c.Access)
	}
	return identity.CheckURL("cluster.endpoint", c.Endpoint)
}

// lookUp asks Amazon MSK for the addresses that fit the method of authentication.
func (c Cluster) lookUp(ctx context.Context, as identity.Config, auth string) ([]string, error) {
	what := "cluster: look up the brokers of " + c.ARN
	found, err := as.Load(ctx, "Amazon MSK")
	if err != nil {
		return nil, err
	}
	defer identity.Close(found)
	found.Region = clusterARN.FindStringSubmatch(c.ARN)[1]
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	answer, err := awskafka.NewFromConfig(found, func(o *awskafka.Options) {
		o.BaseEndpoint = identity.Endpoint(c.Endpoint)
	}).GetBootstrapBrokers(ctx, &awskafka.GetBootstrapBrokersInput{ClusterArn: &c.ARN})
	if err != nil {
		return nil, c.explain(what, err)
	}
	all := offers(answer)
	if text := all[offer{cmp.Or(c.Access, Private), family(auth)}]; text != "" {
		return strings.Split(text, ","), nil
	}
	var there []string
	for o, text := range all {
		if text != "" {
			there = append(there, o.String())
		}
	}
	slices.Sort(there)
	return nil, connector.Systemic.Errorf("%s: it has no %s addresses for auth: %s; it has %s: change auth or cluster.access, or turn that access on in the cluster",
		what, cmp.Or(c.Access, Private), auth, cmp.Or(strings.Join(there, ", "), "none"))
}

// An offer is a way into a cluster.
type offer struct{ access, auth string }

func (o offer) String() string { return o.access + " " + o.auth }

// family is the method whose addresses a method uses.
func family(auth string) string {
	if auth == authMTLS {
		return authTLS
	}
	return auth
}

func offers(a *awskafka.GetBootstrapBrokersOutput) map[offer]string {
	all := map[offer]string{}
	for o, text := range map[offer]*string{
		{Private, authNone}: a.BootstrapBrokerString, {Private, authTLS}: a.BootstrapBrokerStringTls,
		{Private, authSCRAM}: a.BootstrapBrokerStringSaslScram, {Private, authIAM}: a.BootstrapBrokerStringSaslIam,
		{Public, authTLS}: a.BootstrapBrokerStringPublicTls, {Public, authSCRAM}: a.BootstrapBrokerStringPublicSaslScram,
		{Public, authIAM}: a.BootstrapBrokerStringPublicSaslIam,
		{VPC, authTLS}:    a.BootstrapBrokerStringVpcConnectivityTls, {VPC, authSCRAM}: a.BootstrapBrokerStringVpcConnectivitySaslScram,
		{VPC, authIAM}: a.BootstrapBrokerStringVpcConnectivitySaslIam,
	} {
		all[o] = aws.ToString(text)
	}
	return all
}

// explain classes an error of GetBootstrapBrokers.
func (c Cluster) explain(what string, err error) error {
	var none *identity.Error
	var answer smithy.APIError
	var status *smithyhttp.ResponseError
	code, http4 := "", 0
	if errors.As(err, &answer) {
		code = answer.ErrorCode()
	}
	if errors.As(err, &status) {
		http4 = status.HTTPStatusCode()
	}
	switch {
	case errors.As(err, &none):
		return connector.Systemic.Errorf("%s: no credentials of AWS: %w", what, none)
	case code == "NotFoundException" || http4 == http.StatusNotFound:
		return connector.Systemic.Errorf("%s: there is no such cluster in this account and Region: check the ARN (%s)", what, code)
	case http4 == http.StatusForbidden || http4 == http.StatusUnauthorized:
		return connector.Systemic.Errorf("%s: allow this principal kafka:GetBootstrapBrokers on %s (%w)", what, c.ARN, err)
	case code == "BadRequestException":
		return connector.Systemic.Errorf("%s: check the ARN, and that the cluster is active (%w)", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// addresses are the brokers that a setting names: host:port with commas between them, or JSON as a secret holds it that is shared across accounts, an
// object of objects with endpoint_url and broker_port. Errors don't quote the text.
func addresses(texts []string) ([]string, error) {
	text := strings.TrimSpace(strings.Join(texts, ","))
	if !strings.HasPrefix(text, "{") {
		return list(texts), nil
	}
	var brokers map[string]struct {
		Host string          `json:"endpoint_url"`
		Port json.RawMessage `json:"broker_port"` // a number, or a text
	}
	wrong := errors.New(`brokers: the text is JSON, but not of the form {"NAME": {"endpoint_url": "HOST", "broker_port": 9094}}`)
	if json.Unmarshal([]byte(text), &brokers) != nil {
		return nil, wrong
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(brokers)) {
		b := brokers[name]
		port := string(bytes.Trim(b.Port, `"`))
		if b.Host == "" || port == "" || strings.Trim(port, "0123456789") != "" {
			return nil, wrong
		}
		out = append(out, net.JoinHostPort(b.Host, port))
	}
	return out, nil
}
