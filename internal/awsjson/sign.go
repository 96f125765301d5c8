package awsjson

import (
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	"github.com/aws/smithy-go/aws-http-auth/sigv4a"
	"github.com/aws/smithy-go/aws-http-auth/v4"
)

// A signer signs a request whose body has a SHA-256.
type signer func(r *http.Request, hash []byte, keys aws.Credentials) error

func newSigner(service, region string, everywhere bool) signer {
	if everywhere {
		s := sigv4a.New(alike)
		return func(r *http.Request, hash []byte, keys aws.Credentials) error {
			return s.SignRequest(&sigv4a.SignRequestInput{
				Request: r, PayloadHash: hash, Credentials: identified(keys), Service: service, RegionSet: []string{"*"},
			})
		}
	}
	s := sigv4.New(alike)
	return func(r *http.Request, hash []byte, keys aws.Credentials) error {
		return s.SignRequest(&sigv4.SignRequestInput{
			Request: r, PayloadHash: hash, Credentials: identified(keys), Service: service, Region: region,
		})
	}
}

// alike signs the headers that AWS's SDKs sign and the IAM User Guide asks for ("Create a signed AWS API request").
func alike(o *v4.SignerOptions) { o.HeaderRules = headers{} }

type headers struct{}

// IsSigned is for the name of a header in lower case.
func (headers) IsSigned(name string) bool {
	return name == "host" || name == "content-type" || strings.HasPrefix(name, "x-amz-")
}

func identified(k aws.Credentials) credentials.Credentials {
	return credentials.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken}
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
