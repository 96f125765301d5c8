package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Presign signs a request without a body that is never sent: its URL proves to a service who holds the keys. The URL is a secret.
func Presign(ctx context.Context, keys aws.Credentials, r *http.Request, service, region string, at time.Time) (url string, err error) {
	url, _, err = v4.NewSigner().PresignHTTP(ctx, keys, r, emptyHash, service, region, at)
	return url, err
}
