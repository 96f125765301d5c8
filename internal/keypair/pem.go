package keypair

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"

// blocks returns the PEM blocks of a text. Unlike pem.Decode alone it passes over no damaged one: a chain that lost its first
// certificate would be another chain. what names the text in errors: "certificate".
func blocks(text []byte, what string) ([]*pem.Block, error) {
	if len(text) > maxText {
		return nil, errorf("%s has %d bytes, and at most %d can be: is it the right file?", what, len(text), maxText)
	}
	_, rest, ok := bytes.Cut(text, []byte(begin))
	if !ok {
		return nil, notPEM(text, what)
	}
	var found []*pem.Block
	for ok {
		var one []byte
		one, rest, ok = bytes.Cut(rest, []byte(begin))
		b, err := decode(string(one), what, len(found)+1)
		if err != nil {
			return nil, err
		}
		if found = append(found, b); len(found) > 2*maxCertificates {
			return nil, errorf("%s has more than %d PEM blocks", what, 2*maxCertificates)
		}
	}
	return found, nil
}

// notPEM says what a text without a BEGIN line seems to be.
func notPEM(text []byte, what string) error {
	is := func(magic string) bool { return bytes.HasPrefix(text, []byte(magic)) }
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return errorf("%s is empty", what)
	case is("\xfe\xed\xfe\xed"):
		return errorf("%s is a Java keystore (JKS), not PEM: convert it to PKCS#12 with "+
			"keytool -importkeystore -srckeystore old.jks -destkeystore new.p12 -deststoretype pkcs12", what)
	case is("\x30\x82"), is("\x30\x81"), is("\x30\x80"):
		return errorf("%s is binary (DER or PKCS#12), not PEM: set a PKCS#12 file as such, and convert DER with "+
			"openssl x509 -inform der (certificate) or openssl pkey -inform der (private key)", what)
	case is("\xff\xfe"), is("\xfe\xff"):
		return errorf("%s is text in UTF-16: save it as UTF-8", what)
	default:
		return errorf("%s isn't PEM: it has no line that starts with %s", what, begin)
	}
}

// decode reads one block from what follows "-----BEGIN ". number counts blocks from 1.
func decode(text, what string, number int) (*pem.Block, error) {
	label, body, ok := strings.Cut(text, dashes)
	if !ok || !isLabel(label) {
		return nil, errorf("%s: the BEGIN line of block %d in the text is damaged or doesn't end with %s", what, number, dashes)
	}
	last := end + label + dashes
	body, _, ok = strings.Cut(body, last)
	if !ok {
		hint := "the text is cut off"
		if strings.Contains(text, "-----END") {
			hint = "its END line names another thing or is damaged"
		}
		return nil, errorf("%s: block %d in the text begins with %q and has no line %s: %s", what, number, begin+label+dashes, last, hint)
	}
	b, _ := pem.Decode([]byte(begin + label + dashes + body + last + "\n"))
	if b == nil {
		return nil, errorf("%s: block %d in the text (%q) %s", what, number, label, flaw(body))
	}
	return b, nil
}

// isLabel keeps errors from quoting a key whose BEGIN line has lost its end.
func isLabel(s string) bool {
	other := func(r rune) bool { return r != ' ' && (r < 'A' || r > 'Z') && (r < '0' || r > '9') }
	return len(s) <= 40 && !strings.ContainsFunc(s, other)
}

// flaw says why what stands between the BEGIN and the END line can't be decoded.
func flaw(body string) string {
	const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"
	switch {
	case strings.Contains(body, `\n`):
		return `has \n as two characters where a line should end: it was escaped twice`
	case !strings.Contains(strings.TrimRight(body, " \t"), "\n"):
		return "is all on one line: BEGIN and END must stand on lines of their own"
	case !strings.HasPrefix(strings.TrimLeft(body, " \t\r"), "\n"):
		return "has more text on its BEGIN line, which must stand alone"
	case !strings.HasSuffix(body, "\n"):
		return "has something before -----END on the same line, which must stand alone"
	}
	if i := strings.IndexFunc(body, func(r rune) bool { return !strings.ContainsRune(base64, r) }); i >= 0 {
		return errorf("has a character that isn't base64 in line %d after BEGIN", strings.Count(body[:i], "\n")).Error()
	}
	return "isn't complete base64: characters are missing, copy it again"
}

// certificates reads all certificates of a text, in its order. Private keys beside them are passed over.
func certificates(text []byte) ([]*x509.Certificate, error) {
	found, err := blocks(text, "certificate")
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, b := range found {
		switch {
		case b.Type == "CERTIFICATE", b.Type == "X509 CERTIFICATE":
			c, err := certificate(b.Bytes, len(chain)+1)
			if err != nil {
				return nil, err
			}
			chain = append(chain, c)
		case strings.HasSuffix(b.Type, "PRIVATE KEY"), b.Type == "EC PARAMETERS":
		case strings.HasSuffix(b.Type, "CERTIFICATE REQUEST"):
			return nil, errorf("certificate: the text holds a signing request (%s): set the certificate that the authority made of it", b.Type)
		default:
			return nil, errorf("certificate: the text holds a block %q, where CERTIFICATE is expected", b.Type)
		}
	}
	switch {
	case len(chain) == 0:
		return nil, errorf("certificate: the text holds a private key and no certificate: are certificate and private key swapped?")
	case len(chain) > maxCertificates:
		return nil, errorf("certificate: the text holds %d certificates, and at most %d can be: set the client's and those of its issuers only",
			len(chain), maxCertificates)
	}
	return chain, nil
}

func certificate(der []byte, number int) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, errorf("certificate %d in the text has %d bytes, and at most %d can be", number, len(der), maxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil { // a certificate is public: the reason may be told
		return nil, errorf("certificate %d in the text is damaged: %v", number, err)
	}
	return c, nil
}
