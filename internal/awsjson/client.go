package awsjson

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
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
		c.url = s.url(found.Region)
	}
	c.sign = newSigner(s.Signing, found.Region, o.Everywhere)
	return c, nil
}

// url is that of AWS in a Region.
func (s *Service) url(region string) string {
	return "https://" + s.Host + "." + region + "." + Domain(region)
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
	lent := &loan{bytes: body}
	defer lent.end()
	request, err := c.request(ctx, operation, lent)
	if err != nil {
		return reply, c.failure(operation, err)
	}
	response, err := c.config.HTTPClient.Do(request)
	if err != nil {
		return reply, c.failure(operation, err)
	}
	defer response.Body.Close()
	from := len(reply)
	reply, err = read(reply, response)
	if err != nil {
		return reply[:from], c.failure(operation, fmt.Errorf("read the answer: %w", err))
	}
	if response.StatusCode != http.StatusOK {
		return reply[:from], c.refused(operation, answerOf(response, reply[from:]))
	}
	return reply, nil
}

func (c *Client) request(ctx context.Context, operation string, body *loan) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, body.reader())
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(body.bytes))
	request.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil } // net/http asks where nothing of the first was sent
	request.Header["Content-Type"] = []string{"application/x-amz-json-" + c.service.Version}
	request.Header["X-Amz-Target"] = []string{c.service.Target + "." + operation}
	request.Header["Accept-Encoding"] = []string{"identity"} // answers are short
	request.Header["User-Agent"] = []string{"millrace"}
	keys, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(body.bytes)
	if err := c.sign(ctx, request, hash[:], keys); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	return request, nil
}

// A loan is bytes that are taken back: net/http may read a request's body for a while after its Do has returned.
type loan struct {
	mu    sync.Mutex
	bytes []byte
	ended bool
}

func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

func (l *loan) reader() io.ReadCloser { return &borrower{from: l} }

var errEnded = errors.New("the call is over")

// A borrower reads a loan from its beginning.
type borrower struct {
	from *loan
	at   int
}

func (b *borrower) Read(dst []byte) (int, error) {
	b.from.mu.Lock()
	defer b.from.mu.Unlock()
	switch {
	case b.from.ended:
		return 0, errEnded
	case b.at == len(b.from.bytes):
		return 0, io.EOF
	}
	n := copy(dst, b.from.bytes[b.at:])
	b.at += n
	return n, nil
}

func (b *borrower) Close() error { return nil }

var errLong = errors.New("it is longer than " + strconv.Itoa(maxReply>>20) + " MiB")

// read appends an answer to dst, and checks the checksum that DynamoDB sends with it.
func read(dst []byte, response *http.Response) ([]byte, error) {
	from := len(dst)
	if n := response.ContentLength; n > 0 && n <= maxReply {
		dst = slices.Grow(dst, int(n)+1) // one more, for the end to be seen
	}
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
	if err == nil && uint64(crc32.ChecksumIEEE(dst[from:])) != want {
		return dst, errors.New("its checksum is wrong: bytes were changed on their way")
	}
	return dst, nil
}
