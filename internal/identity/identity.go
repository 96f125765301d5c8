package identity

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

const (
	dialTimeout  = 5 * time.Second
	callTimeout  = 10 * time.Second // of a call of STS
	idleTimeout  = 30 * time.Second
	connections  = 256 // at a time; who calls bounds what is under way
	roleDuration = time.Hour
	roleRenewal  = 5 * time.Minute // before its end
	keyRenewal   = 5 * time.Minute // how often the place that an access key is kept at is asked

	defaultSession = "millrace"
)

// Load finds region and credentials. what names in messages what they are for. Nothing is called but what the SDK asks for a profile; credentials are
// retrieved when they are needed, renewed 5 minutes before their end, and their errors are of type *Error. The HTTP client follows no
// redirect, and calls aren't retried: the connector retries. Region may be empty.
func (c Config) Load(ctx context.Context, what string) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{})} // what matters comes as an error
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	if c.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(c.Profile))
	}
	if c.AccessKey.IsSet() {
		options = append(options, awsconfig.WithCredentialsProvider(aws.NewCredentialsCache(&accessKey{key: c.AccessKey, secret: c.SecretKey})))
	}
	found, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, connector.Systemic.Errorf("read the configuration of the AWS SDK for %s: %w", what, err)
	}
	found.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	// A redirect is an answer: S3's names the bucket's region.
	found.HTTPClient = &http.Client{
		Transport:     transport(found.HTTPClient),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	found.Credentials = provider{c.AssumeRole.provide(found), found.Credentials}
	return found, nil
}

// transport is the SDK's, which holds the authorities of AWS_CA_BUNDLE, as one of ours.
func transport(client aws.HTTPClient) *http.Transport {
	from, ok := client.(*awshttp.BuildableClient)
	if !ok {
		from = awshttp.NewBuildableClient()
	}
	t := from.GetTransport() // a copy
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = connections, connections, connections
	t.IdleConnTimeout = idleTimeout
	return t
}

// Close closes the connections that are idle.
func Close(c aws.Config) {
	if client, ok := c.HTTPClient.(*http.Client); ok {
		client.CloseIdleConnections()
	}
}

// Refused makes the next call retrieve credentials anew, because a service refused those that it was given: a key was replaced, or a
// session was ended. Who calls it bounds how often, since each time may ask STS and Secrets Manager.
func Refused(c aws.Config) {
	p, ok := c.Credentials.(provider)
	if !ok {
		return
	}
	for _, cached := range []aws.CredentialsProvider{p.own, p.CredentialsProvider} {
		if cache, ok := cached.(interface{ Invalidate() }); ok {
			cache.Invalidate()
		}
	}
}

// refusedEvery is the least time between two times that credentials are retrieved anew: most refusals have other reasons, and many calls may
// be refused at a time.
const refusedEvery = 10 * time.Second

// A Renewal tells of refusals, not too often. It is safe for concurrent use; the zero Renewal has told of none.
type Renewal struct{ last atomic.Int64 } // in nanoseconds since 1970

// Refused is as the function, but at most once in ten seconds.
func (r *Renewal) Refused(c aws.Config) {
	now, last := time.Now().UnixNano(), r.last.Load()
	if now-last >= int64(refusedEvery) && r.last.CompareAndSwap(last, now) {
		Refused(c)
	}
}

// An accessKey is a user's, which may be kept at a place that is asked again now and then, and when the cache in front was told to
// forget what it had.
type accessKey struct {
	key, secret secret.Text

	mu   sync.Mutex
	last aws.Credentials
}

func (k *accessKey) Retrieve(ctx context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	refused := aws.Credentials{}
	if time.Now().Before(k.last.Expires) { // it would still count: it was forgotten on purpose
		refused = k.last
	}
	id, err := k.key.Renew(ctx, refused.AccessKeyID)
	if err != nil {
		return aws.Credentials{}, err
	}
	text, err := k.secret.Renew(ctx, refused.SecretAccessKey)
	c := aws.Credentials{AccessKeyID: id, SecretAccessKey: text, Source: "millrace"}
	if _, fixed := k.secret.Known(); !fixed {
		c.CanExpire, c.Expires = true, time.Now().Add(keyRenewal)
	}
	if err == nil {
		k.last = c
	}
	return c, err
}

// provide is the role's credentials, if there is a role. They are renewed in time.
func (r AssumeRole) provide(own aws.Config) aws.CredentialsProvider {
	if r.ARN == "" {
		return own.Credentials
	}
	asked := security(own, r.Endpoint)
	return aws.NewCredentialsCache(role{r, asked}, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = roleRenewal, 0.5
	})
}

// A role is asked for anew each time, with the external id that counts then.
type role struct {
	AssumeRole
	sts *sts.Client
}

func (r role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id, err := r.ExternalID.Read(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return stscreds.NewAssumeRoleProvider(r.sts, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = r.Session(), roleDuration
		if id != "" {
			o.ExternalID = &id
		}
	}).Retrieve(ctx)
}

// security is a client of STS. The environment's endpoint (AWS_ENDPOINT_URL_STS) counts, as it does where the SDK asks STS by itself.
func security(c aws.Config, endpoint string) *sts.Client {
	return sts.NewFromConfig(c, func(o *sts.Options) {
		o.Region = cmp.Or(c.Region, "us-east-1")
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
	})
}

// Endpoint is a setting as the SDK takes it: nil where AWS's own is meant, so that the environment's doesn't count.
func Endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

// A provider's errors can be told from those of the service that is called.
type provider struct {
	aws.CredentialsProvider
	own aws.CredentialsProvider // what a role is assumed with
}

func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &Error{err}
	}
	return c, nil
}

// An Error is why there are no credentials.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Principal is who the credentials belong to, by STS: the ARN of a user, or of a role's session. endpoint is that of STS, "" for AWS's.
func Principal(ctx context.Context, c aws.Config, endpoint string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := security(c, endpoint).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(answer.Arn), nil
}
