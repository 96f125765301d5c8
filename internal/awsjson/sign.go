package awsjson

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4a"
	"github.com/aws/smithy-go/aws-http-auth/v4"
)

// A signer signs a request whose body has a SHA-256.
type signer func(ctx context.Context, r *http.Request, hash []byte, keys aws.Credentials) error

// newSigner signs for one Region, by the SDK's signer, which keeps the keys that it derives; or for all, which that one can't.
func newSigner(service, region string, everywhere bool) signer {
	if everywhere {
		s := sigv4a.New(alike)
		return func(_ context.Context, r *http.Request, hash []byte, keys aws.Credentials) error {
			return s.SignRequest(&sigv4a.SignRequestInput{
				Request: r, PayloadHash: hash, Service: service, RegionSet: []string{"*"},
				Credentials: credentials.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken},
			})
		}
	}
	var last atomic.Pointer[secretSigner]
	return func(ctx context.Context, r *http.Request, hash []byte, keys aws.Credentials) error {
		s := last.Load()
		if s == nil || s.secret != keys.SecretAccessKey {
			s = &secretSigner{keys.SecretAccessKey, awsv4.NewSigner()}
			last.Store(s)
		}
		return s.SignHTTP(ctx, keys, r, hex.EncodeToString(hash), service, region, time.Now())
	}
}

// A secretSigner signs with one secret key: the SDK's looks what it has derived up by the id of the access key alone.
type secretSigner struct {
	secret string
	*awsv4.Signer
}

// alike signs the headers that AWS's SDKs sign and the IAM User Guide asks for ("Create a signed AWS API request").
func alike(o *v4.SignerOptions) { o.HeaderRules = headers{} }

type headers struct{}

// IsSigned is for the name of a header in lower case.
func (headers) IsSigned(name string) bool {
	return name == "host" || name == "content-type" || strings.HasPrefix(name, "x-amz-")
}

// domains of the partitions of AWS besides the first, by what the names of their Regions begin with (AWS SDK, partitions.json).
var domains = []struct{ region, domain string }{
	{"cn-", "amazonaws.com.cn"},
	{"eusc-", "amazonaws.eu"},
	{"us-iso-", "c2s.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov"},
	{"eu-isoe-", "cloud.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov"},
}

// Domain is what the names of a Region's endpoints end with.
func Domain(region string) string {
	for _, d := range domains {
		if strings.HasPrefix(region, d.region) {
			return d.domain
		}
	}
	return "amazonaws.com"
}
