package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// SCRAM is the settings of SASL/SCRAM: username and password, or credentials. They are read at every authentication, and
// asked for anew when the brokers refuse them.
type SCRAM struct {
	// Hash function: sha512, which Amazon MSK takes, or sha256. Empty: sha512.
	Mechanism string `yaml:"mechanism"`
	// User name.
	Username secret.Text `yaml:"username"`
	// Password of the user.
	Password secret.Text `yaml:"password"`
	// User name and password in one text, {"username": "...", "password": "..."}, as secrets of Amazon MSK (AmazonMSK_NAME) hold them.
	Credentials secret.Text `yaml:"credentials"`
	// Connects without TLS. Whoever listens can then try to guess the password, and read and change all records.
	InsecurePlaintext bool `yaml:"insecure_plaintext"`
}

// Plain is the settings of SASL/PLAIN: username and password, or credentials. They are read at every authentication, and
// asked for anew when the brokers refuse them.
type Plain struct {
	// User name.
	Username secret.Text `yaml:"username"`
	// Password of the user.
	Password secret.Text `yaml:"password"`
	// User name and password in one text: {"username": "...", "password": "..."}.
	Credentials secret.Text `yaml:"credentials"`
	// Connects without TLS. Whoever listens then reads the password, and all records.
	InsecurePlaintext bool `yaml:"insecure_plaintext"`
}

// The values of SCRAM.Mechanism.
const (
	SHA512 = "sha512"
	SHA256 = "sha256"
)

func (s *SCRAM) validate() error {
	err := validateUser(s.Username, s.Password, s.Credentials)
	if s.Mechanism != "" && s.Mechanism != SHA512 && s.Mechanism != SHA256 {
		err = errors.Join(err, fmt.Errorf("mechanism: %q is neither %s nor %s", s.Mechanism, SHA512, SHA256))
	}
	return err
}

func (s *SCRAM) method(context.Context, string) (method, error) {
	u := newUser("auth.scram", s.Username, s.Password, s.Credentials)
	read := func(ctx context.Context) (scram.Auth, error) {
		name, password, err := u.read(ctx)
		return scram.Auth{User: name, Pass: password}, err
	}
	if u.sasl = scram.Sha512(read); s.Mechanism == SHA256 {
		u.sasl = scram.Sha256(read)
	}
	return u, nil
}

func (p *Plain) validate() error { return validateUser(p.Username, p.Password, p.Credentials) }

func (p *Plain) method(context.Context, string) (method, error) {
	u := newUser("auth.plain", p.Username, p.Password, p.Credentials)
	u.sasl = plain.Plain(func(ctx context.Context) (plain.Auth, error) {
		name, password, err := u.read(ctx)
		return plain.Auth{User: name, Pass: password}, err
	})
	return u, nil
}

func validateUser(name, password, both secret.Text) error {
	switch {
	case both.IsSet() && (name.IsSet() || password.IsSet()):
		return errors.New("credentials and username with password exclude each other")
	case !both.IsSet() && !(name.IsSet() && password.IsSet()):
		return errors.New("username and password are needed, or credentials")
	}
	if text, ok := both.Known(); ok && both.IsSet() {
		_, _, err := splitUser(text)
		return err
	}
	return nil
}

// splitUser reads user name and password from JSON. Its errors quote nothing.
func splitUser(text string) (name, password string, err error) {
	var s struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	if json.Unmarshal([]byte(text), &s) != nil || s.Username == "" || s.Password == "" {
		return "", "", connector.Systemic.Errorf(`credentials: the text isn't {"username": "...", "password": "..."}`)
	}
	return s.Username, s.Password, nil
}

// A user authenticates by name and password.
type user struct {
	sasl                 sasl.Mechanism
	setting              string
	name, password, both *credential
	current              atomic.Pointer[string] // the name used last
}

func newUser(setting string, name, password, both secret.Text) *user {
	u := &user{
		setting:  setting,
		name:     &credential{name: setting + ".username", text: name},
		password: &credential{name: setting + ".password", text: password},
		both:     &credential{name: setting + ".credentials", text: both},
	}
	if known, ok := name.Known(); ok && known != "" {
		u.current.Store(&known)
	}
	return u
}

func (u *user) read(ctx context.Context) (name, password string, err error) {
	if u.both.text.IsSet() {
		var text string
		if text, err = u.both.read(ctx); err == nil {
			if name, password, err = splitUser(text); err != nil {
				u.both.refused()
				err = prefixed(u.setting, err)
			}
		}
	} else if name, err = u.name.read(ctx); err == nil {
		password, err = u.password.read(ctx)
	}
	if err == nil && (name == "" || password == "") {
		err = connector.Systemic.Errorf("%s: the user name or the password is empty", u.setting)
	}
	if err != nil {
		return "", "", &localError{err}
	}
	u.current.Store(&name)
	return name, password, nil
}

func (u *user) ready(ctx context.Context) error {
	_, _, err := u.read(ctx)
	return err
}

func (u *user) mechanism() sasl.Mechanism { return u.sasl }
func (u *user) close()                    {}

func (u *user) refused() {
	for _, c := range []*credential{u.name, u.password, u.both} {
		c.refused()
	}
}

func (u *user) principal() string {
	if name := u.current.Load(); name != nil {
		return "User:" + *name
	}
	return ""
}

func (u *user) advice() string {
	settings := u.setting + ".username and " + u.setting + ".password"
	if u.both.text.IsSet() {
		settings = u.setting + ".credentials"
	}
	hint := "the brokers don't know this user name with this password: check " + settings
	if u.setting == "auth.scram" {
		hint += " and auth.scram.mechanism; Amazon MSK must have the secret associated with the cluster, and refuses connections beyond its quota with the same error"
	}
	return hint
}
