package keypair

import (
	"crypto/tls"
	"encoding/json"
	"errors"
)

const secretForm = `{"certificate": "-----BEGIN CERTIFICATE-----...", "privateKey": "-----BEGIN ... PRIVATE KEY-----...", "privateKeyPassword": "..."}`

// ParseSecret reads the certificate and the private key from the JSON that AWS Lambda takes from a secret for
// CLIENT_CERTIFICATE_TLS_AUTH; see [DecodeSecret].
func ParseSecret(text string) (*tls.Certificate, error) {
	p, err := DecodeSecret(text)
	if err != nil {
		return nil, err
	}
	return p.Parse()
}

// DecodeSecret reads the fields certificate, privateKey and privateKeyPassword (which may be missing) of a JSON object.
// Strings may hold line breaks and tabs as they are, which JSON forbids: the example in AWS's own documentation has
// them so.
func DecodeSecret(text string) (Parts, error) {
	if len(text) > maxText {
		return Parts{}, errorf("secret has %d bytes, and at most %d can be", len(text), maxText)
	}
	var s struct {
		Certificate        string          `json:"certificate"`
		PrivateKey         string          `json:"privateKey"`
		PrivateKeyPassword string          `json:"privateKeyPassword"`
		Username           json.RawMessage `json:"username"`
	}
	err := json.Unmarshal(escapeBreaks(text), &s)
	var wrongType *json.UnmarshalTypeError
	switch { // what encoding/json says of an error may quote the secret
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return Parts{}, errorf("secret: the field %s isn't text", wrongType.Field)
	case err != nil:
		return Parts{}, errorf("secret isn't a JSON object; it should be %s", secretForm)
	case s.Certificate == "" && s.PrivateKey == "" && s.Username != nil:
		return Parts{}, errorf("secret holds a user name: it is one for SASL, not for a client certificate, which would be %s", secretForm)
	case s.Certificate == "":
		return Parts{}, errorf("secret has no field certificate; it should be %s", secretForm)
	case s.PrivateKey == "":
		return Parts{}, errorf("secret has no field privateKey; it should be %s", secretForm)
	}
	return Parts{Certificate: []byte(s.Certificate), Key: []byte(s.PrivateKey), Password: s.PrivateKeyPassword}, nil
}

// escapeBreaks escapes line breaks and tabs that stand in strings as they are.
func escapeBreaks(text string) []byte {
	out := make([]byte, 0, len(text)+len(text)/32)
	inString, escaped := false, false
	for i := range len(text) {
		c := text[i]
		if inString && !escaped {
			switch c {
			case '\n':
				out = append(out, `\n`...)
				continue
			case '\r':
				out = append(out, `\r`...)
				continue
			case '\t':
				out = append(out, `\t`...)
				continue
			}
		}
		if c == '"' && !escaped {
			inString = !inString
		}
		escaped = inString && c == '\\' && !escaped
		out = append(out, c)
	}
	return out
}
