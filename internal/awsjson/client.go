package awsjson

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A Service is what its clients have in common.
type Service struct {
	Name     string // in messages, such as Amazon DynamoDB
	Host     string // the endpoint is https://<Host>.<region>.<domain of AWS>
	Signing  string // the name that requests are signed for, and that rights begin with
	Target   string // what X-Amz-Target begins with
	Version  string // of the protocol: 1.0 or 1.1
	Verdicts map[string]Verdict
}

// Options are how one client calls.
type Options struct {
	// Endpoint is a URL in place of AWS's own; "" for that.
	Endpoint string
	// Everywhere signs for all Regions (SigV4A), as multi-Region endpoints want it. It needs Endpoint.
	Everywhere bool
	// Place is what is called, in messages: "table trips".
	Place string
	// Timeout of a call. Default: 10 s.
	Timeout time.Duration
}

const (
	callTimeout = 10 * time.Second
	maxReply    = 32 << 20 // bytes; the largest, of BatchWriteItem, repeats a request of 16 MB
)

// A Client calls one service. It is safe for concurrent use, and neither retries nor follows redirects.
type Client struct {
	service *Service
	options Options
	config  aws.Config
	url     string
	sign    signer
	role    string
	renewal identity.Renewal
}

// Connect makes the client of valid settings. It calls nothing but what the SDK asks for a profile.
func Connect(ctx context.Context, s *Service, who identity.Config, o Options) (*Client, error) {
	found, err := who.Load(ctx, o.Place)
	if err != nil {
		return nil, err
	}
	if found.Region == "" {
		if o.Endpoint == "" {
			return nil, connector.Systemic.Errorf("the AWS Region of %s isn't known: set region, or AWS_REGION", o.Place)
		}
		found.Region = "us-east-1"
	}
	if o.Timeout == 0 {
		o.Timeout = callTimeout
	}
	c := &Client{service: s, options: o, config: found, role: who.AssumeRole.ARN, url: o.Endpoint}
	if c.url == "" {
		c.url = "https://" + s.Host + "." + found.Region + "." + Domain(found.Region)
	}
	c.sign = newSigner(s.Signing, found.Region, o.Everywhere)
	return c, nil
}

// Region is the one that is called.
func (c *Client) Region() string { return c.config.Region }

// Close closes the connections that are idle.
func (c *Client) Close() error {
	identity.Close(c.config)
	return nil
}

// Call sends body, a JSON object, to an operation and appends the answer to reply. body isn't kept. Errors are classified: [Refusal] finds what
// the service said.
func (c *Client) Call(ctx context.Context, operation string, body, reply []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	request, err := c.request(ctx, operation, body)
	if err != nil {
		return reply, c.failure(operation, nil, err)
	}
	response, err := c.config.HTTPClient.Do(request)
	if err != nil {
		return reply, c.failure(operation, nil, err)
	}
	defer response.Body.Close()
	from := len(reply)
	reply, err = read(reply, response)
	if err != nil {
		return reply[:from], c.failure(operation, nil, fmt.Errorf("read the answer: %w", err))
	}
	if response.StatusCode != http.StatusOK {
		a := answerOf(response, reply[from:])
		return reply[:from], c.failure(operation, a, nil)
	}
	return reply, nil
}

func (c *Client) request(ctx context.Context, operation string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header["Content-Type"] = []string{"application/x-amz-json-" + c.service.Version}
	request.Header["X-Amz-Target"] = []string{c.service.Target + "." + operation}
	request.Header["Accept-Encoding"] = []string{"identity"} // answers are short
	request.Header["User-Agent"] = []string{"millrace"}
	keys, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(body)
	if err := c.sign(request, hash[:], keys); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	return request, nil
}

var errLong = errors.New("it is longer than " + strconv.Itoa(maxReply>>20) + " MiB")

// read appends an answer to dst, and checks the checksum that DynamoDB sends with it.
func read(dst []byte, response *http.Response) ([]byte, error) {
	from := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := response.Body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst)-from > maxReply {
			return dst, errLong
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return dst, err
		}
	}
	want, err := strconv.ParseUint(response.Header.Get("X-Amz-Crc32"), 10, 32)
	if err == nil && crc32.ChecksumIEEE(dst[from:]) != uint32(want) {
		return dst, errors.New("its checksum is wrong: bytes were changed on their way")
	}
	return dst, nil
}
