package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// MSKIAM is the settings of Amazon MSK's access control by IAM. The zero value takes credentials where the AWS SDK finds them: roles of
// pods and instances, environment, profile. They are renewed, and connections authenticate again, while records flow.
//
// region is needed only where brokers are reached by names of one's own, not those of AWS. The name of the role's session is
// client_id, if assume_role.session_name isn't set: it is part of the principal, which must not change while a connection lasts.
type MSKIAM struct {
	identity.Config `yaml:",inline"`
}

func (m *MSKIAM) validate() error { return m.Config.Validate() }

// identity is whom AWS is called as.
func (m *MSKIAM) identity(clientID string) identity.Config {
	c := m.Config
	if r := &c.AssumeRole; r.ARN != "" && r.SessionName == "" {
		r.SessionName = clientID
		if r.Validate() != nil {
			r.SessionName = "" // a client id may hold what the name of a session can't
		}
	}
	return c
}

func (m *MSKIAM) method(ctx context.Context, clientID string) (method, error) {
	as := m.identity(clientID)
	found, err := as.Load(ctx, "Amazon MSK")
	if err != nil {
		return nil, err
	}
	s := &signer{settings: as, aws: found}
	if name, ok := sessionARN(as.AssumeRole); ok {
		s.name.Store(&name)
	}
	return s, nil
}

// sessionARN is the ARN of a role's session, which its role's ARN tells.
func sessionARN(r identity.AssumeRole) (string, bool) {
	parts := strings.SplitN(r.ARN, ":", 6)
	if len(parts) != 6 {
		return "", false
	}
	role := parts[5][strings.LastIndex(parts[5], "/")+1:]
	return fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", parts[1], parts[4], role, r.Session()), true
}

// A signer authenticates by a request for kafka-cluster:Connect that is signed with AWS's credentials. franz-go has such a mechanism,
// but it takes the Region from the broker's name, and has no setting for names of one's own.
type signer struct {
	settings identity.Config
	aws      aws.Config
	name     atomic.Pointer[string]
	used     atomic.Pointer[string] // the Region signed for last
	renewal  identity.Renewal
}

// refused lets the next connection retrieve credentials anew: the SDK renews those that expire, but not those that were replaced.
func (s *signer) refused() { s.renewal.Refused(s.aws) }

func (s *signer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	_, err := s.credentials(ctx)
	return err
}

func (s *signer) credentials(ctx context.Context) (aws.Credentials, error) {
	found, err := s.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return found, connector.Systemic.Errorf("no credentials of AWS: %w", err)
	}
	return found, nil
}

func (s *signer) mechanism() sasl.Mechanism { return s }
func (s *signer) close()                    { identity.Close(s.aws) }

func (s *signer) principal() string {
	if name := s.name.Load(); name != nil {
		return *name
	}
	return ""
}

// identify asks STS for the principal, if it isn't known. Its failure means nothing: a network may have no way to STS.
func (s *signer) identify(ctx context.Context) {
	if s.principal() != "" {
		return
	}
	if name, err := identity.Principal(ctx, s.aws, s.settings.AssumeRole.Endpoint); err == nil && name != "" {
		s.name.Store(&name)
	}
}

func (s *signer) advice() string {
	region := "AWS_REGION"
	if used := s.used.Load(); used != nil {
		region = *used
	}
	return fmt.Sprintf("allow %s kafka-cluster:Connect on the cluster by an IAM policy; if it is allowed, check the Region (%s: auth.msk_iam.region), this machine's clock, and whether the credentials have expired; "+
		"Amazon MSK refuses connections beyond its quota with the same error", cmp.Or(s.principal(), "this principal"), region)
}

// Name is the mechanism's.
func (s *signer) Name() string { return "AWS_MSK_IAM" }

// Authenticate makes the one message that is sent.
func (s *signer) Authenticate(ctx context.Context, address string) (sasl.Session, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	message, err := s.message(ctx, address, time.Now())
	if err != nil {
		return nil, nil, &localError{err}
	}
	return answered{}, message, nil
}

// answered ends with the broker's answer.
type answered struct{}

// Challenge takes the answer.
func (answered) Challenge(answer []byte) (bool, []byte, error) {
	if len(answer) == 0 {
		return false, nil, errors.New("the broker's answer to AWS_MSK_IAM is empty")
	}
	return true, nil, nil
}

// message is the signed request as JSON: its query with names in lower case, and three fields of its own.
func (s *signer) message(ctx context.Context, address string, now time.Time) ([]byte, error) {
	const validity = "300" // seconds
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	region := cmp.Or(s.settings.Region, regionOf(host), s.aws.Region)
	if region == "" {
		return nil, connector.Systemic.Errorf("the AWS Region of broker %s isn't known from its name: set auth.msk_iam.region, or AWS_REGION", host)
	}
	s.used.Store(&region)
	credentials, err := s.credentials(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{"Action": {"kafka-cluster:Connect"}, "X-Amz-Expires": {validity}}
	r := &http.Request{Method: http.MethodGet, Host: host, Header: http.Header{}, URL: &url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: query.Encode()}}
	signed, err := identity.Presign(ctx, credentials, r, "kafka-cluster", region, now)
	if err != nil {
		return nil, fmt.Errorf("sign the request to connect to %s: %w", host, err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		return nil, errors.New("the signed request is no URL")
	}
	fields := map[string]string{"version": "2020_10_22", "host": host, "user-agent": "millrace"}
	for name, values := range u.Query() {
		fields[strings.ToLower(name)] = values[0]
	}
	return json.Marshal(fields)
}

var (
	awsNames  = regexp.MustCompile(`\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws|c2s\.ic\.gov|sc2s\.sgov\.gov)$`)
	awsRegion = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)
)

// regionOf is the Region in a broker's name, "" if it isn't one of AWS.
func regionOf(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !awsNames.MatchString(host) {
		return ""
	}
	labels := strings.Split(host, ".")
	for i := len(labels) - 1; i >= 0; i-- {
		if awsRegion.MatchString(labels[i]) {
			return labels[i]
		}
	}
	return ""
}
