package s3

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/internal/chain"
)

// The tags that range_tags adds.
const (
	tagStart = "millrace-start"
	tagEnd   = "millrace-end"
	tagCount = "millrace-count"
)

// Limits of S3 (Amazon S3 User Guide, "Categorizing your objects using tags").
const (
	maxTags     = 10
	maxTagKey   = 128
	maxTagValue = 256
)

var tagText = regexp.MustCompile(`^[\pL\pZ\pN_.:/=+\-@]*$`)

func (c Config) validateTags() error {
	limit := maxTags
	if c.RangeTags {
		limit -= 3
	}
	if len(c.Tags) > limit {
		return fmt.Errorf("tags has %d tags, more than %d: S3 takes %d, those of range_tags included", len(c.Tags), limit, maxTags)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Tags)) {
		v := c.Tags[k]
		switch {
		case k == "" || len([]rune(k)) > maxTagKey:
			return fmt.Errorf("tags: the name %q must have 1 to %d characters", k, maxTagKey)
		case len([]rune(v)) > maxTagValue:
			return fmt.Errorf("tags: the value of %s has more than %d characters", k, maxTagValue)
		case !tagText.MatchString(k) || !tagText.MatchString(v):
			return fmt.Errorf("tags: %s can hold letters, digits, spaces and _ . : / = + - @", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return fmt.Errorf("tags: %s begins with aws:, which AWS keeps for itself", k)
		case k == tagStart || k == tagEnd || k == tagCount:
			return fmt.Errorf("tags: %s is what range_tags sets", k)
		}
	}
	return nil
}

// tagHeader is tags as the header x-amz-tagging has them; nil if there are none.
func tagHeader(tags map[string]string) *string {
	if len(tags) == 0 {
		return nil
	}
	q := url.Values{}
	for k, v := range tags {
		q.Set(k, v)
	}
	return aws.String(q.Encode())
}

// rangeTags are the tags of o in place of those that it has: the constant ones again, and its range.
func rangeTags(tags map[string]string, o *chain.Object) []types.Tag {
	all := maps.Clone(tags)
	if all == nil {
		all = make(map[string]string)
	}
	all[tagStart], all[tagEnd], all[tagCount] = strconv.FormatInt(o.First, 10), strconv.FormatInt(o.Last, 10), strconv.FormatInt(o.Rows, 10)
	var set []types.Tag
	for _, k := range slices.Sorted(maps.Keys(all)) {
		set = append(set, types.Tag{Key: aws.String(k), Value: aws.String(all[k])})
	}
	return set
}
