package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
)

// leastAbort is how many days uploads have to stay: so long may a connector be down between a link and
// the completion of what it names.
const leastAbort = 7

// A lifecycle looks at a bucket's lifecycle rules for those that would take what the chain needs.
type lifecycle struct {
	*store
	prefix, chain string
	data          string // what keys of data begin with
}

// inspect returns warnings. It is a courtesy: where rules can't be read, or a store has none, it is silent.
func (l lifecycle) inspect(ctx context.Context) ([]string, error) {
	bound, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	out, err := l.Client.GetBucketLifecycleConfiguration(bound, &awss3.GetBucketLifecycleConfigurationInput{Bucket: l.Name, ExpectedBucketOwner: l.Owner})
	if bucket.AnswerOf(err).Code == "NoSuchLifecycleConfiguration" {
		return l.judge(nil), nil
	}
	if err != nil {
		return nil, ctx.Err()
	}
	return l.judge(out.Rules), nil
}

// judge is what people should know of the rules.
func (l lifecycle) judge(rules []types.LifecycleRule) []string {
	var notes []string
	cleaned := false
	for i := range rules {
		r := &rules[i]
		if r.Status != types.ExpirationStatusEnabled {
			continue
		}
		prefix := rulePrefix(r)
		name := fmt.Sprintf("lifecycle rule %q of %s", aws.ToString(r.ID), l.Place())
		if a := r.AbortIncompleteMultipartUpload; a != nil && overlap(prefix, l.data) {
			cleaned = cleaned || strings.HasPrefix(l.data, prefix)
			if days := aws.ToInt32(a.DaysAfterInitiation); days < leastAbort {
				notes = append(notes, fmt.Sprintf("%s aborts incomplete uploads after %d days: uploads that a link names have to be written again if the connector is down for longer. "+
					"Set at least %d days", name, days, leastAbort))
			}
		}
		if what := takes(r); what != "" && reachesLinks(r) && overlap(prefix, chain.Root(l.prefix, l.chain)) {
			notes = append(notes, fmt.Sprintf("%s %s below %s: without links nothing is exactly once, and the connector stops. Leave that folder out of the rule",
				name, what, chain.Root(l.prefix, l.chain)))
		}
	}
	if !cleaned {
		notes = append(notes, fmt.Sprintf("%s has no lifecycle rule that aborts incomplete uploads below %q: what crashed processes leave stays, invisible, and costs storage. "+
			"Add AbortIncompleteMultipartUpload with %d days or more", l.Place(), l.data, leastAbort))
	}
	return notes
}

// takes says what a rule does with objects that makes them unreadable.
func takes(r *types.LifecycleRule) string {
	if e := r.Expiration; e != nil && (e.Days != nil || e.Date != nil) {
		return "deletes links"
	}
	for _, t := range r.Transitions {
		if t.StorageClass == types.TransitionStorageClassGlacier || t.StorageClass == types.TransitionStorageClassDeepArchive {
			return "moves links to an archive"
		}
	}
	return ""
}

func rulePrefix(r *types.LifecycleRule) string {
	switch f := r.Filter; {
	case f == nil:
		return aws.ToString(r.Prefix) //nolint:staticcheck // rules that were made before filters have it
	case f.And != nil:
		return aws.ToString(f.And.Prefix)
	default:
		return aws.ToString(f.Prefix)
	}
}

// reachesLinks reports whether a rule is for objects such as links, which are small and have no tags.
func reachesLinks(r *types.LifecycleRule) bool {
	f := r.Filter
	if f == nil {
		return true
	}
	tagged, above := f.Tag != nil, aws.ToInt64(f.ObjectSizeGreaterThan)
	if f.And != nil {
		tagged, above = tagged || len(f.And.Tags) > 0, max(above, aws.ToInt64(f.And.ObjectSizeGreaterThan))
	}
	return !tagged && above < chain.MaxLink
}

// overlap reports whether some key may begin with both.
func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
