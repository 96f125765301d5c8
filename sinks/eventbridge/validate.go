package eventbridge

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/identity"
)

// What AWS takes (EventBridge API reference, PutEventsRequestEntry and PutEventsRequest).
var (
	busNames  = regexp.MustCompile(`^[A-Za-z0-9/._-]{1,256}$`)
	busARNs   = regexp.MustCompile(`^arn:aws[a-z-]*:events:([a-z0-9-]+):\d{12}:event-bus/[A-Za-z0-9/._-]{1,256}$`)
	endpoints = regexp.MustCompile(`^[A-Za-z0-9-]{1,40}\.[A-Za-z0-9-]{1,10}$`)

	// What every reader of an ARN takes as it is (Amazon S3 User Guide, "Naming Amazon S3 objects", safe characters and a few more).
	prefixes = regexp.MustCompile(`^[A-Za-z0-9/!_.*'()=+:@,-]*$`)
)

const (
	maxRequest  = 1 << 20 // AWS takes less than 1 MB
	minRequest  = 1 << 10
	maxInFlight = 1000
	maxPrefix   = 900 // bytes: a key has 1,024 at most, and the id stands behind the prefix
)

// Validate checks the settings without a connection.
func (c Config) Validate() error {
	errs := []error{
		c.Config.Validate(), identity.CheckURL("endpoint", c.Endpoint), c.validateBus(), c.validateOffload(),
		oneOf("detail", c.Detail, detailRecord, detailValue),
		oneOf("headers", c.Headers, headersText, headersConnect),
		oneOf("order", c.Order, orderKey, orderNone),
		oneOf("rate_share", c.RateShare, shareProcess, sharePartitions),
	}
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.GlobalEndpoint != "" && !endpoints.MatchString(c.GlobalEndpoint), "global_endpoint is %q; it must be an id such as abcde.veo", c.GlobalEndpoint)
	refuse(c.MaxRequest < minRequest || c.MaxRequest > maxRequest, "max_request is %s; it must be 1KiB to 1MiB", c.MaxRequest)
	refuse(c.InFlight < 1 || c.InFlight > maxInFlight, "in_flight is %d; it must be 1 to %d", c.InFlight, maxInFlight)
	refuse(!(c.Rate >= 0) || math.IsInf(c.Rate, 0), "rate is %v; it must be requests a second, or 0", c.Rate)
	refuse(c.RateShare == sharePartitions && c.Rate == 0, "rate_share: partitions needs rate")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := c.shape()
	return err
}

func (c Config) validateBus() error {
	switch {
	case c.Bus == "":
		return errors.New("bus is missing: the name or ARN of an event bus, such as default")
	case strings.Contains(c.Bus, ":event-busv2/"):
		return fmt.Errorf("bus is %q: custom event buses of the new kind aren't supported yet (ADR 13)", c.Bus)
	case strings.HasPrefix(c.Bus, "arn:") && !busARNs.MatchString(c.Bus):
		return fmt.Errorf("bus is %q; an ARN must be one such as arn:aws:events:eu-west-1:123456789012:event-bus/NAME", c.Bus)
	case !strings.HasPrefix(c.Bus, "arn:") && !busNames.MatchString(c.Bus):
		return fmt.Errorf("bus is %q; a name has 1 to 256 letters, digits and / . _ -", c.Bus)
	}
	if r := regionOf(c.Bus); r != "" && c.Region != "" && r != c.Region && c.GlobalEndpoint == "" {
		return fmt.Errorf("region is %s, but bus is one of %s", c.Region, r)
	}
	return nil
}

// regionOf is the Region of an ARN, "" of a name.
func regionOf(bus string) string {
	if m := busARNs.FindStringSubmatch(bus); m != nil {
		return m[1]
	}
	return ""
}

func (c Config) validateOffload() error {
	o := &c.Oversize.S3
	if !o.inUse() {
		if o.Prefix != "" {
			return errors.New("oversize.s3.bucket is missing")
		}
		return nil
	}
	errs := []error{oneOf("when", o.When, whenTooLarge, whenAlways)}
	if err := o.Validate(); err != nil {
		errs = append(errs, err)
	}
	if len(o.Prefix) > maxPrefix || strings.HasPrefix(o.Prefix, "/") || !prefixes.MatchString(o.Prefix) {
		errs = append(errs, fmt.Errorf("prefix is %.40q; it must have at most %d letters, digits and / ! - _ . * ' ( ) = + : @ , and no slash in front", o.Prefix, maxPrefix))
	}
	if o.Field == "" {
		errs = append(errs, errors.New("field is missing: value, or a field below it"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("oversize.s3: %w", err)
	}
	return nil
}

// inUse: without a bucket there is nothing to put parts into.
func (o *Offload) inUse() bool { return o.Bucket != "" }

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q; it must be one of %s", name, value, strings.Join(allowed, ", "))
}
