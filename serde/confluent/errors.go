package confluent

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/keypair"
	"github.com/millrace/millrace/serde/registry"
)

// A failed error has a text of its own in place of sr's, which may hold the whole response, and sr's error behind it.
type failed struct {
	text string
	err  error
}

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.err }

// An asked is the registry that was asked, for messages.
type asked struct {
	url   string
	login string // the settings by which it lets us in: "user and password"; "" where none is set
}

// What asked.login says.
const (
	loginToken = "token"
	loginUser  = "user and password"
)

const loginHint = "set user and password, or token, if the registry asks for them"

// failure gives the error of a request its class, and says what can be changed. That there is no such thing has no class: it wraps
// registry.ErrNotFound. No other error says anything about a schema, so that no record is given up for it.
func (a asked) failure(err error) error {
	var answer *sr.ResponseError
	if errors.As(err, &answer) {
		answer.Raw, answer.Message = nil, clip(strings.TrimRight(answer.Message, ". \n")) // errors are kept, for each id: a page that a proxy sent must not be
		return a.refusal(answer)
	}
	var setting *settingError
	if errors.As(err, &setting) {
		return connector.Systemic.Wrap(&failed{setting.Error(), err})
	}
	class, why := connector.Retryable, cause(err)
	var (
		certificate *tls.CertificateVerificationError
		pair        *keypair.Error
		network     *net.OpError
		record      tls.RecordHeaderError
		long        *http.MaxBytesError
		syntax      *json.SyntaxError
		mistyped    *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &certificate):
		class, why = connector.Systemic, why+": look at tls.ca_file and tls.server_name"
	case errors.As(err, &pair):
		class, why = connector.Systemic, "tls.cert_file: "+pair.Error()
	case errors.As(err, &network) && network.Op == "remote error": // as crypto/tls calls an alert of the server
		class, why = connector.Systemic, why+": look at tls.cert_file if it asks for a client's certificate; it must speak TLS 1.2 or newer"
	case errors.As(err, &record):
		class, why = connector.Systemic, why+": begin url with http:// if the registry has no TLS"
	case errors.As(err, &long):
		class, why = connector.Systemic, fmt.Sprintf("the response has more than %d bytes: is there a registry at url?", maxResponse)
	case errors.As(err, &syntax), errors.As(err, &mistyped), errors.Is(err, errNoSchema):
		class, why = connector.Systemic, why+": is there a registry at url?"
	case errors.Is(err, context.DeadlineExceeded):
		why = "it doesn't answer in time"
	}
	return class.Wrap(&failed{fmt.Sprintf("ask the registry %s: %s", a.url, why), err})
}

// errNoSchema is what was answered instead of a schema.
var errNoSchema = errors.New("the response holds no schema")

// cause is the text of an error of sr without what was asked, which the caller says shorter.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return clip(u.Err.Error())
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "unable to ") { // as sr begins its texts
		if errors.Is(inner, io.ErrUnexpectedEOF) {
			return "the response ends too early"
		}
		return clip(inner.Error())
	}
	return clip(err.Error())
}

// refusal is the error of what the registry answered (Schema Registry API reference, "Errors").
func (a asked) refusal(e *sr.ResponseError) error {
	said := fmt.Sprintf("the registry %s answers %d", a.url, e.StatusCode)
	if e.ErrorCode != 0 && e.ErrorCode != e.StatusCode {
		said += fmt.Sprintf(" (%d)", e.ErrorCode)
	}
	if e.Message != "" {
		said += ": " + e.Message
	}
	class, hint := connector.Systemic, ""
	switch status := e.StatusCode; {
	case sr.IsNotFoundError(e.ErrorCode):
		return &failed{said, errors.Join(registry.ErrNotFound, e)}
	case status == http.StatusNotFound: // without one of its codes it isn't the schema that isn't there
		hint = "look at the path of url"
	case status == http.StatusUnauthorized && a.login == "":
		hint = loginHint
	case status == http.StatusUnauthorized:
		hint = "look at " + a.login
	case status == http.StatusForbidden && a.login == "":
		hint = loginHint
	case status == http.StatusForbidden:
		hint = a.login + " need the right to read the subject and its schemas, and with register to write it (in Confluent Cloud, the roles DeveloperRead and DeveloperWrite)"
		if a.login == loginToken {
			hint = strings.Replace(hint, "need", "needs", 1)
		}
	case status < http.StatusBadRequest:
		hint = "redirects aren't followed: set url to where the registry is"
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		class = connector.Retryable
	}
	if hint != "" {
		said += " (" + hint + ")"
	}
	return class.Wrap(&failed{said, e})
}

// clip bounds a text that somebody else wrote, and keeps it in one line.
func clip(text string) string {
	const most = 300 // bytes
	cut := len(text) > most
	if cut {
		text = strings.ToValidUTF8(text[:most], "")
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
	if cut {
		text += "..."
	}
	return text
}
