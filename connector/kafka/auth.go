package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
)

// Auth is how this client proves to the brokers who it is: at most one of the methods. The zero value is none. Each method but none turns
// TLS on, with the settings of tls.
type Auth struct {
	// Encryption alone: brokers prove who they are, clients don't.
	TLS *NoSettings `yaml:"tls"`
	// A client certificate (mutual TLS).
	MTLS *MTLS `yaml:"mtls"`
	// User name and password, by SASL/SCRAM.
	SCRAM *SCRAM `yaml:"scram"`
	// User name and password, by SASL/PLAIN. Amazon MSK doesn't take it.
	Plain *Plain `yaml:"plain"`
	// A bearer token, by SASL/OAUTHBEARER.
	OAuthBearer *OAuthBearer `yaml:"oauthbearer"`
	// An identity of AWS, by IAM: Amazon MSK, also its serverless clusters.
	MSKIAM *MSKIAM `yaml:"msk_iam"`
}

// NoSettings is a method without any.
type NoSettings struct{}

// The names of the methods, as the file has them.
const (
	authNone  = "none"
	authTLS   = "tls"
	authMTLS  = "mtls"
	authSCRAM = "scram"
	authPlain = "plain"
	authOAuth = "oauthbearer"
	authIAM   = "msk_iam"
)

// A setup is the settings of one method.
type setup interface {
	// validate checks the settings; nothing is read.
	validate() error
	// method is the method with these settings. Configuration files of AWS may be read.
	method(ctx context.Context, clientID string) (method, error)
}

// A method authenticates. It is safe for concurrent use.
type method interface {
	// ready reads what it takes to authenticate, so that what is missing shows at once.
	ready(ctx context.Context) error
	// mechanism is that of SASL, nil where the method has none.
	mechanism() sasl.Mechanism
	// refused tells that brokers have refused what was used last.
	refused()
	// principal is as whom the brokers know this client, "" while that isn't known.
	principal() string
	// advice is what to look at when the brokers refuse.
	advice() string
	// close gives up what is idle.
	close()
}

func (a *Auth) chosen() (names []string, only setup) {
	for _, m := range []struct {
		name string
		set  bool
		of   setup
	}{
		{authTLS, a.TLS != nil, a.TLS}, {authMTLS, a.MTLS != nil, a.MTLS}, {authSCRAM, a.SCRAM != nil, a.SCRAM}, {authPlain, a.Plain != nil, a.Plain},
		{authOAuth, a.OAuthBearer != nil, a.OAuthBearer}, {authIAM, a.MSKIAM != nil, a.MSKIAM},
	} {
		if m.set {
			names, only = append(names, m.name), m.of
		}
	}
	return names, only
}

// name is the method's, "none" if there is none.
func (a *Auth) name() string {
	if names, _ := a.chosen(); len(names) > 0 {
		return names[0]
	}
	return authNone
}

// insecure reports whether credentials are sent without TLS, as the settings want.
func (a *Auth) insecure() bool {
	return a.SCRAM != nil && a.SCRAM.InsecurePlaintext || a.Plain != nil && a.Plain.InsecurePlaintext
}

// Validate checks the settings; nothing is read.
func (a Auth) Validate() error {
	names, only := a.chosen()
	switch {
	case len(names) > 1:
		return fmt.Errorf("auth: %s exclude each other", strings.Join(names, " and "))
	case only == nil:
		return nil
	}
	if err := only.validate(); err != nil {
		return prefixed("auth."+names[0], err)
	}
	return nil
}

// prefixed puts the name of what is set before each of the errors joined in err.
func prefixed(name string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		errs = append(errs, prefixed(name, e))
	}
	return errors.Join(errs...)
}

func (*NoSettings) validate() error { return nil }

func (*NoSettings) method(context.Context, string) (method, error) { return noMethod{}, nil }

// noMethod is that of clients that don't prove who they are.
type noMethod struct{}

func (noMethod) ready(context.Context) error { return nil }

func (noMethod) mechanism() sasl.Mechanism { return nil }
func (noMethod) refused()                  {}
func (noMethod) principal() string         { return "" }
func (noMethod) close()                    {}

func (noMethod) advice() string {
	return "the brokers want clients to prove who they are: set auth"
}
