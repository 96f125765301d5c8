package identity

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/endpoint"
)

// Config is the settings of who calls AWS. The zero value asks as the AWS SDK does: roles of pods (IRSA and EKS Pod Identity) and instances, environment, profile.
type Config struct {
	// AWS Region. Empty: what the environment of the AWS SDK says (AWS_REGION, or the profile's).
	Region string `yaml:"region"`
	// Profile of the AWS SDK's shared configuration files. Empty: AWS_PROFILE, or its default.
	Profile string `yaml:"profile"`
	// Access key of a user. Empty: credentials are found as the AWS SDK does (roles of pods and instances, environment, profile).
	AccessKey secret.Text `yaml:"access_key"`
	// Secret key to access_key.
	SecretKey secret.Text `yaml:"secret_key"`
	// IAM role to act as.
	AssumeRole AssumeRole `yaml:"assume_role"`
}

// AssumeRole is the role that STS is asked for.
type AssumeRole struct {
	// Which role: its ARN, such as arn:aws:iam::123456789012:role/NAME.
	ARN string `yaml:"arn" short:"true"`
	// What the role's trust policy wants as sts:ExternalId.
	ExternalID secret.Text `yaml:"external_id"`
	// Name of the session, which CloudTrail shows. Empty: millrace, and for Kafka client_id.
	SessionName string `yaml:"session_name"`
	// URL of STS, https or http. Empty: that of AWS in region.
	Endpoint string `yaml:"endpoint"`
}

// What AWS takes (IAM API reference, AssumeRole).
var (
	regions     = regexp.MustCompile(`^[a-z0-9-]{2,40}$`)
	roles       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	sessions    = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalIDs = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// Validate checks the settings; nothing is read.
func (c Config) Validate() error {
	var errs []error
	if c.Region != "" && !regions.MatchString(c.Region) {
		errs = append(errs, fmt.Errorf("region is %q; it must be one such as eu-west-1", c.Region))
	}
	if c.AccessKey.IsSet() != c.SecretKey.IsSet() {
		errs = append(errs, errors.New("access_key and secret_key must be set both, or neither"))
	}
	if c.AccessKey.IsSet() && c.Profile != "" {
		errs = append(errs, errors.New("profile and access_key exclude each other"))
	}
	return errors.Join(append(errs, c.AssumeRole.Validate())...)
}

// Validate checks the settings; nothing is read.
func (r AssumeRole) Validate() error {
	id, known := r.ExternalID.Known()
	switch {
	case r.ARN == "" && (r.ExternalID.IsSet() || r.Endpoint != ""):
		return errors.New("assume_role needs arn: the role")
	case r.ARN == "":
		return nil
	case !roles.MatchString(r.ARN):
		return fmt.Errorf("assume_role.arn is %q; it must be one such as arn:aws:iam::123456789012:role/NAME", r.ARN)
	case known && id != "" && (len(id) > 1224 || !externalIDs.MatchString(id)):
		return errors.New("assume_role.external_id must have 2 to 1,224 letters, digits and _ + = , . @ : / -")
	case r.SessionName != "" && !sessions.MatchString(r.SessionName):
		return fmt.Errorf("assume_role.session_name is %q; it must have 2 to 64 letters, digits and _ + = , . @ -", r.SessionName)
	}
	return CheckURL("assume_role.endpoint", r.Endpoint)
}

// Session is the name of the role's session.
func (r AssumeRole) Session() string { return cmp.Or(r.SessionName, defaultSession) }

// CheckURL checks the setting of an endpoint of AWS, which may be empty.
func CheckURL(setting, text string) error {
	return endpoint.Check(setting, text, "access_key and secret_key")
}
