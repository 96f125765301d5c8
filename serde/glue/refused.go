package glue

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/millrace/millrace/internal/awserror"
	"github.com/millrace/millrace/internal/identity"
)

// A login is what calls are signed with. It is safe for concurrent use.
type login struct {
	config  aws.Config
	renewal identity.Renewal
}

// refused lets the next call retrieve credentials anew if the code is a refusal of those that it had: the SDK renews what expires, but not
// a key that was replaced. A nil login is somebody else's, who gave New its api.
func (l *login) refused(code string) {
	if l != nil && awserror.Doubted(code) {
		l.renewal.Refused(l.config)
	}
}
