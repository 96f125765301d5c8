package awsjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awserror"
	"github.com/millrace/millrace/internal/identity"
)

// A Verdict is what an error code means for the connector, with a hint for the person who reads it.
type Verdict = awserror.Verdict

// An Answer is what a service said instead of success. Its Body is the caller's.
type Answer struct {
	Status        int
	Code, Message string
	Body          []byte
	header        http.Header
}

// Error is the code and the message.
func (a *Answer) Error() string {
	text := awserror.Text(a.Status, a.Code, a.Message)
	if id := a.header.Get("X-Amzn-Requestid"); id != "" {
		text += " (request " + id + ")"
	}
	return text
}

// A Failure is what an error of Call comes of, for who says in words of its own what was called.
type Failure struct {
	Verdict
	Text string // what happened, without the operation, the place and the hint
	err  error
}

func (f *Failure) Error() string { return f.Text }
func (f *Failure) Unwrap() error { return f.err }

// Refusal is the Answer in an error of Call, nil if there was none.
func Refusal(err error) *Answer {
	a, _ := errors.AsType[*Answer](err)
	return a
}

// answerOf copies body.
func answerOf(r *http.Response, body []byte) *Answer {
	a := &Answer{Status: r.StatusCode, Body: append([]byte(nil), body...), header: r.Header}
	var fields struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // or Message: the case of names doesn't count
	}
	if len(body) > 0 && json.Unmarshal(body, &fields) != nil { // a proxy's
		fields.Message = fmt.Sprintf("%.200q", body)
	}
	a.Message = fields.Message
	for _, code := range []string{r.Header.Get("X-Amzn-Errortype"), fields.Type, fields.Code} {
		if code = codeOf(code); code != "" {
			a.Code = code
			break
		}
	}
	return a
}

// codeOf is the name in the type of an error: aws.protocoltests#FooError:http://... is FooError.
func codeOf(text string) string {
	text, _, _ = strings.Cut(text, ":")
	return text[strings.LastIndexByte(text, '#')+1:]
}

// refused is the error of an answer.
func (c *Client) refused(operation string, a *Answer) error {
	if awserror.Doubted(a.Code) {
		c.renewal.Refused(c.config)
	}
	return c.failed(operation, &Failure{c.judge(operation, a.Code, a.Status), a.Error(), a}, a.header)
}

// failure is the error of a call that got no answer.
func (c *Client) failure(operation string, err error) error {
	var v Verdict
	var text string
	if unknown, ok := errors.AsType[*identity.Error](err); ok {
		v, text = awserror.Identity(unknown, c.role)
	} else {
		v, text = awserror.Connection(err, c.options.Endpoint, "the way to AWS, such as a VPC endpoint com.amazonaws.REGION."+c.service.Host)
	}
	return c.failed(operation, &Failure{v, text, err}, nil)
}

func (c *Client) failed(operation string, f *Failure, header http.Header) error {
	return f.Wrap(fmt.Sprintf("%s on %s: %s", operation, c.options.Place, f.Text), f, header)
}

// Judge is the verdict on a code that came with no status, such as that of one entry of a request.
func (c *Client) Judge(operation, code string) Verdict {
	return c.judge(operation, code, http.StatusBadRequest)
}

func (c *Client) judge(operation, code string, status int) Verdict {
	v, ok := c.service.Verdicts[code]
	switch {
	case ok:
		return v
	case strings.HasPrefix(code, "AccessDenied"), strings.HasPrefix(code, "NotAuthorized"), code == "" && status == http.StatusForbidden:
		return Verdict{Class: connector.Systemic, Hint: fmt.Sprintf("the credentials need %s:%s on %s", c.service.Signing, operation, c.options.Place)}
	case code == "UnknownOperationException":
		return Verdict{Class: connector.Systemic, Hint: "is endpoint " + c.service.Name + "?"}
	}
	return awserror.Of(code, status)
}
