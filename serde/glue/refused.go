package glue

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/millrace/millrace/internal/identity"
)

// refuses reports whether AWS Glue, or STS before it, doesn't take the credentials of a call.
func refuses(code string) bool {
	switch code {
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature",
		"ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return true
	}
	return false
}

// A login is what calls are signed with. It is safe for concurrent use.
type login struct {
	config  aws.Config
	renewal identity.Renewal
}

// refused lets the next call retrieve credentials anew if the code is a refusal of those that it had: the SDK renews what expires, but not
// a key that was replaced. A nil login is somebody else's, who gave New its api.
func (l *login) refused(code string) {
	if l != nil && refuses(code) {
		l.renewal.Refused(l.config)
	}
}
