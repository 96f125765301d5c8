package awsjson

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	"github.com/aws/smithy-go/aws-http-auth/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/identity"
)

// signed is a request that was sent with credentials.
func signed(t *testing.T, keys aws.Credentials, body, path string, everywhere bool) request {
	t.Helper()
	clean(t)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
	d := newDouble(t)
	c := connect(t, d.URL+path, identity.Config{Region: "eu-west-1"}, func(o *Options) { o.Everywhere = everywhere })
	if _, err := c.Call(t.Context(), "PutThing", []byte(body), nil); err != nil {
		t.Fatal(err)
	}
	return d.sent()[0]
}

var (
	lasting = aws.Credentials{AccessKeyID: "AKISORANDOMAASORANDOM", SecretAccessKey: "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom"}
	session = aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "hush", SessionToken: "a/token+of=a session"}
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// signedNames are the headers that a signature says to cover.
type headerNames []string

func (h headerNames) IsSigned(name string) bool { return slices.Contains(h, name) }

func signedNames(authorization string) headerNames {
	_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
	list, _, _ := strings.Cut(rest, ",")
	return strings.Split(list, ";")
}

// The signature is the one that another signer makes of the same headers at the same time.
func TestSignatureIsAnothers(t *testing.T) {
	for name, c := range map[string]struct {
		keys       aws.Credentials
		body, path string
	}{
		"keys of a user":    {lasting, `{"a":1}`, ""},
		"keys of a session": {session, `{"a":"ä"}`, ""},
		"an endpoint below": {lasting, "{}", "/a b/c"},
		"no body":           {lasting, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := signed(t, c.keys, c.body, strings.ReplaceAll(c.path, " ", "%20"), false)
			at, err := time.Parse("20060102T150405Z", got.Header.Get("X-Amz-Date"))
			if err != nil || time.Since(at) > time.Minute {
				t.Fatalf("signed at %s, %v", at, err)
			}
			want := &http.Request{Method: http.MethodPost, Host: got.Host, URL: &url.URL{Scheme: "http", Host: got.Host, Path: c.path}, Header: http.Header{}}
			names := signedNames(got.Header.Get("Authorization"))
			for _, name := range names {
				if name = http.CanonicalHeaderKey(name); name != "Host" {
					want.Header[name] = got.Header[name]
				}
			}
			hash := sha256.Sum256([]byte(c.body))
			err = sigv4.New(func(o *v4.SignerOptions) { o.HeaderRules = names }).SignRequest(&sigv4.SignRequestInput{
				Request: want, PayloadHash: hash[:], Service: "lk", Region: "eu-west-1", Time: at,
				Credentials: credentials.Credentials{AccessKeyID: c.keys.AccessKeyID, SecretAccessKey: c.keys.SecretAccessKey, SessionToken: c.keys.SessionToken},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"host", "content-type", "x-amz-target", "x-amz-date"} {
				if !names.IsSigned(name) {
					t.Errorf("%s isn't signed: %v", name, names)
				}
			}
			for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
				if diff := cmp.Diff(want.Header.Get(name), got.Header.Get(name)); diff != "" {
					t.Errorf("%s (want -, got +):\n%s", name, diff)
				}
			}
		})
	}
}

// publicKey derives what SigV4A signatures are verified with (IAM User Guide, "AWS Signature Version 4A": the key of the HMAC-based derivation in counter mode of
// NIST SP 800-108, as the secret number of FIPS 186-4, B.4.2).
func publicKey(t *testing.T, keys aws.Credentials) *ecdsa.PublicKey {
	t.Helper()
	n := elliptic.P256().Params().N
	for counter := byte(1); counter < 255; counter++ {
		h := hmac.New(sha256.New, []byte("AWS4A"+keys.SecretAccessKey))
		fmt.Fprintf(h, "\x00\x00\x00\x01AWS4-ECDSA-P256-SHA256\x00%s%c\x00\x00\x01\x00", keys.AccessKeyID, counter)
		d := new(big.Int).SetBytes(h.Sum(nil))
		if d.Cmp(new(big.Int).Sub(n, big.NewInt(2))) > 0 {
			continue
		}
		raw := make([]byte, 32)
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.Add(d, big.NewInt(1)).FillBytes(raw))
		if err != nil {
			t.Fatal(err)
		}
		return &private.PublicKey
	}
	t.Fatal("no key")
	return nil
}

// The example that AWS's libraries test with.
func TestPublicKey(t *testing.T) {
	raw, err := publicKey(t, lasting).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	const want = "04" + "15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb" + "0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0"
	if got := hex.EncodeToString(raw); got != want {
		t.Errorf("key %s", got)
	}
}

// A signature for all Regions is verified against a canonical request of the test's own.
func TestSignatureForAllRegions(t *testing.T) {
	for name, keys := range map[string]aws.Credentials{"user": lasting, "session": session} {
		t.Run(name, func(t *testing.T) {
			got := signed(t, keys, `{"a":1}`, "", true)
			fields := strings.Split(strings.NewReplacer("Credential=", "", " SignedHeaders=", "", " Signature=", "").Replace(strings.TrimPrefix(got.Header.Get("Authorization"), "AWS4-ECDSA-P256-SHA256 ")), ",")
			at := got.Header.Get("X-Amz-Date")
			if len(fields) != 3 || got.Header.Get("X-Amz-Region-Set") != "*" || fields[0] != keys.AccessKeyID+"/"+at[:8]+"/lk/aws4_request" {
				t.Fatalf("headers %v", got.Header)
			}
			names := []string{"content-type", "host", "x-amz-date", "x-amz-region-set"}
			if keys.SessionToken != "" {
				names = append(names, "x-amz-security-token")
			}
			names = append(names, "x-amz-target")
			got.Header.Set("Host", got.Host)
			canonical := "POST\n/\n\n"
			for _, name := range names {
				canonical += name + ":" + got.Header.Get(name) + "\n"
			}
			canonical += "\n" + strings.Join(names, ";") + "\n" + hashOf(`{"a":1}`)
			if want := strings.Join(names, ";"); fields[1] != want {
				t.Errorf("signed %s, want %s", fields[1], want)
			}
			text := "AWS4-ECDSA-P256-SHA256\n" + at + "\n" + at[:8] + "/lk/aws4_request\n" + hashOf(canonical)
			sum := sha256.Sum256([]byte(text))
			signature, err := hex.DecodeString(fields[2])
			if err != nil || !ecdsa.VerifyASN1(publicKey(t, keys), sum[:], signature) {
				t.Errorf("signature %s, %v", fields[2], err)
			}
		})
	}
}

// The endpoints are those of the SDK's rules, in each partition of AWS.
func TestEndpoints(t *testing.T) {
	for _, region := range []string{
		"us-east-1", "eu-central-2", "ap-southeast-7", "mx-central-1", "il-central-1", "af-south-1", "ca-west-1", "me-south-1", "sa-east-1",
		"us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1",
		"eu-isoe-west-1", "us-isof-south-1", "us-isof-east-1", "eusc-de-east-1",
	} {
		of := func(host string) string { return (&Service{Host: host}).url(region) }
		items, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), dynamodb.EndpointParameters{Region: &region})
		if err != nil || items.URI.String() != of("dynamodb") {
			t.Errorf("%s: DynamoDB at %s, want %s, %v", region, of("dynamodb"), items.URI.String(), err)
		}
		events, err := eventbridge.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), eventbridge.EndpointParameters{Region: &region})
		if err != nil || events.URI.String() != of("events") {
			t.Errorf("%s: EventBridge at %s, want %s, %v", region, of("events"), events.URI.String(), err)
		}
		tables, err := glue.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), glue.EndpointParameters{Region: &region})
		if err != nil || tables.URI.String() != Glue(nil).url(region) {
			t.Errorf("%s: AWS Glue at %s, want %s, %v", region, Glue(nil).url(region), tables.URI.String(), err)
		}
	}
}
