package redisgeo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// IAM are the settings of IAM authentication to Amazon ElastiCache.
type IAM struct {
	// Id of the replication group, or name of the serverless cache: not its endpoint. Empty: no IAM authentication.
	Cache string `yaml:"cache"`
	// Whether cache is a serverless one.
	Serverless bool `yaml:"serverless"`
	// Time after which a connection gives way to one that authenticates anew, at least 1s and at most 11h: ElastiCache closes connections after
	// 12 hours, and a right that is taken away counts from the next authentication on. It is cut by up to a fifth, at random. Empty: 11h.
	ReauthAfter connector.Duration `yaml:"reauth_after"`

	identity.Config `yaml:",inline"`
}

// Of ElastiCache, by AWS's page "Authenticating with IAM": a token is in force for 15 minutes, a connection for 12 hours.
const (
	tokenLifetime = 15 * time.Minute
	mostReauth    = 11 * time.Hour
)

// caches are the names that ElastiCache gives (API reference, CreateReplicationGroup and CreateServerlessCache). It keeps them in lower case.
var caches = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{0,39}$`)

// inUse reports whether there are any settings.
func (i IAM) inUse() bool { return i != IAM{} }

// validateIAM checks the settings that belong together; nothing is read.
func (c Config) validateIAM() error {
	i := c.IAM
	if !i.inUse() {
		return nil
	}
	var errs []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(!caches.MatchString(i.Cache), "iam.cache: is %q; give the replication group's id or the serverless cache's name, such as my-cache", i.Cache)
	after := time.Duration(i.ReauthAfter)
	refuse(after != 0 && (after < time.Second || after > mostReauth), "iam.reauth_after: is %s; must be 1s to 11h", i.ReauthAfter)
	refuse(c.Username == "", "username: iam needs the id of the ElastiCache user")
	refuse(c.Password.IsSet(), "password: iam makes the password; set one of them")
	refuse(!c.TLS.Enabled, "tls: iam needs enabled: true")
	refuse(i.Serverless && c.Mode == modeSingle, "mode: a serverless cache is a cluster; set auto or cluster")
	if err := i.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("iam: %w", err))
	}
	return errors.Join(errs...)
}

// A signer makes the tokens by which an ElastiCache user authenticates: presigned requests that are never sent
// (AWS's page "Authenticating with IAM"). It is safe for concurrent use.
type signer struct {
	IAM
	user string
	sdk  aws.Config
}

// signer reads what the AWS SDK's chain needs; credentials are asked for with each token. The caller closes it.
func (c Config) signer(ctx context.Context) (*signer, error) {
	sdk, err := c.IAM.Load(ctx, "iam")
	if err != nil {
		return nil, err
	}
	if sdk.Region == "" {
		return nil, connector.Systemic.Errorf("the AWS Region of the cache %s isn't known: set iam.region, or AWS_REGION", c.IAM.Cache)
	}
	return &signer{IAM: c.IAM, user: c.Username, sdk: sdk}, nil
}

func (s *signer) close() { identity.Close(s.sdk) }

// token is made anew for each connection: that costs no request, and a token doesn't outlive the credentials that signed it. It is
// a secret.
func (s *signer) token(ctx context.Context) (string, error) {
	keys, err := s.sdk.Credentials.Retrieve(ctx)
	if err != nil {
		return "", s.withoutCredentials(err)
	}
	query := url.Values{"Action": {"connect"}, "User": {s.user}, "X-Amz-Expires": {strconv.Itoa(int(tokenLifetime.Seconds()))}}
	if s.Serverless {
		query.Set("ResourceType", "ServerlessCache")
	}
	const scheme = "http://" // of the request that is signed; the token has none
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+strings.ToLower(s.Cache)+"/?"+query.Encode(), nil)
	if err != nil {
		return "", connector.Systemic.Errorf("make an IAM token for the cache %s: %w", s.Cache, err)
	}
	signed, err := identity.Presign(ctx, keys, r, "elasticache", s.sdk.Region, time.Now())
	if err != nil {
		return "", connector.Systemic.Errorf("sign an IAM token for the cache %s: %w", s.Cache, err)
	}
	return strings.TrimPrefix(signed, scheme), nil
}

// withoutCredentials explains why there is nothing to sign with. What the SDK couldn't reach isn't retryable by itself: where no
// credentials are configured, its last try is an address that only instances of EC2 can reach.
func (s *signer) withoutCredentials(err error) error {
	passing := retry.IsErrorRetryables{
		retry.RetryableHTTPStatusCode{Codes: retry.DefaultRetryableHTTPStatusCodes},
		retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
	}
	err = fmt.Errorf("no credentials for an IAM token for the cache %s: %w", s.Cache, err)
	if errors.Is(err, context.Canceled) || passing.IsErrorRetryable(err) == aws.TrueTernary {
		return connector.Retryable.Wrap(err)
	}
	about := "give this process credentials (a role of the pod or instance, AWS_PROFILE, the environment), or set iam.access_key and iam.secret_key"
	if s.AssumeRole.ARN != "" {
		about = fmt.Sprintf("look at iam.assume_role: the trust policy of %s, external_id, and whether the process's own credentials may call sts:AssumeRole", s.AssumeRole.ARN)
	}
	return connector.Systemic.Errorf("%w (%s)", err, about)
}

// hint says what to look at when a token is refused. ElastiCache gives no reason.
func (s *signer) hint() string {
	kind := "replication group"
	if s.Serverless {
		kind = "serverless cache"
	}
	return fmt.Sprintf("ElastiCache refuses the IAM token: the IAM policy of the credentials must allow elasticache:Connect on the %[1]s %[2]s and on the user %[3]s; "+
		"the user %[3]s must have IAM authentication enabled, a name equal to its id, and be in a user group of the cache; "+
		"look at username, iam.cache, iam.serverless and iam.region (%[4]s), and at this machine's clock, which must not be off by minutes",
		kind, strings.ToLower(s.Cache), s.user, s.sdk.Region)
}

// lifetime is how long a connection lives, reauth_after at most: go-redis draws it around the middle.
func (i IAM) lifetime() (middle, jitter time.Duration) {
	after := cmp.Or(time.Duration(i.ReauthAfter), mostReauth)
	jitter = after / 10
	return after - jitter, jitter
}
