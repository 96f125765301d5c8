package keypair

import (
	"encoding/pem"
	"strings"
	"testing"
)

func TestCertificateProblems(t *testing.T) {
	client, key := string(fixture(t, "client.pem")), fixture(t, "rsa.pkcs8.key")
	chain := string(fixture(t, "chain.pem"))
	const endLine = "-----END CERTIFICATE-----\n"
	middle := len(client) / 2
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for _, tt := range []struct {
		name, cert string
		want       []string
	}{
		{"empty", "", []string{"certificate is empty"}},
		{"not pem", "hello", []string{"certificate isn't PEM", "-----BEGIN"}},
		{"jks", "\xfe\xed\xfe\xed\x00\x00\x00\x02", []string{"Java keystore", "keytool -importkeystore"}},
		{"der", "\x30\x82\x01\x01", []string{"certificate is binary", "PKCS#12", "-inform der"}},
		{"utf-16", "\xff\xfe-\x00", []string{"UTF-16"}},
		{"too long", strings.Repeat("x", maxText+1), []string{"at most 1048576"}},
		{"no end", strings.Replace(client, endLine, "", 1), []string{"block 1", "has no line -----END CERTIFICATE-----", "cut off"}},
		{"no end of the first of three", strings.Replace(chain, endLine, "", 1), []string{"block 1", "has no line -----END CERTIFICATE-----"}},
		{"cut off in the last of three", chain[:len(chain)-100], []string{"block 3", "cut off"}},
		{"another end", strings.Replace(client, endLine, "-----END PRIVATE KEY-----\n", 1), []string{"its END line names another thing"}},
		{"cut off in BEGIN", "-----BEGIN CERTIFI", []string{"BEGIN line of block 1"}},
		{"BEGIN without dashes", strings.Replace(client, "CERTIFICATE-----", "CERTIFICATE", 1), []string{"BEGIN line of block 1"}},
		{"escaped twice", strings.ReplaceAll(client, "\n", `\n`), []string{`has \n as two characters`}},
		{"one line", strings.ReplaceAll(client, "\n", " "), []string{"all on one line"}},
		{"text after BEGIN", strings.Replace(client, "-----\n", "----- ", 1), []string{"more text on its BEGIN line"}},
		{"text before END", strings.Replace(client, "\n-----END", " -----END", 1), []string{"before -----END on the same line"}},
		{"indented END", strings.Replace(client, "\n-----END", "\n  -----END", 1), []string{"before -----END on the same line"}},
		{"not base64", strings.Replace(client, "\n", "\n\n\n#", 1), []string{"isn't base64 in line 3 after BEGIN"}},
		{"a character missing", client[:middle] + client[middle+1:], []string{"characters are missing"}},
		{"damaged", block("CERTIFICATE", []byte("x")), []string{"certificate 1 in the text is damaged", "x509"}},
		{"the second damaged", client + block("CERTIFICATE", []byte("x")), []string{"certificate 2 in the text is damaged"}},
		{"large", block("CERTIFICATE", make([]byte, maxCertificate+1)), []string{"certificate 1 in the text has 32769 bytes"}},
		{"many", strings.Repeat(client, maxCertificates+1), []string{"51 certificates", "at most 50"}},
		{"many blocks", strings.Repeat(block("PRIVATE KEY", nil), 2*maxCertificates+1), []string{"more than 100 PEM blocks"}},
		{"request", block("CERTIFICATE REQUEST", []byte("x")), []string{"signing request"}},
		{"another kind", block("PUBLIC KEY", []byte("x")), []string{`block "PUBLIC KEY"`}},
		{"key", string(key), []string{"no certificate", "swapped"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.cert), key, "")
			wantProblem(t, err, tt.want...)
		})
	}
}

// What people and tools add to PEM without harm.
func TestCertificateForms(t *testing.T) {
	chain, key := string(fixture(t, "chain.pem")), string(fixture(t, "rsa.pkcs8.key"))
	for name, text := range map[string]string{
		"plain":             chain,
		"crlf":              strings.ReplaceAll(chain, "\n", "\r\n"),
		"no last line end":  strings.TrimSpace(chain),
		"text between":      "\xef\xbb\xbfBag Attributes\n" + strings.ReplaceAll(chain, "-----BEGIN", "subject=/CN=x\n-----BEGIN"),
		"spaces at ends":    strings.ReplaceAll(chain, "-----\n", "-----  \n"), // as on AWS Lambda's page
		"indented base64":   strings.ReplaceAll(strings.ReplaceAll(chain, "\n", "\n\t "), "\n\t -----", "\n-----"),
		"key in front":      key + chain,
		"key behind":        chain + key,
		"another old label": strings.ReplaceAll(chain, " CERTIFICATE", " X509 CERTIFICATE"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(text), []byte(key), "")
			wantPair(t, got, err, "Test Client", "Test Intermediate", "Test Root")
		})
	}
	both := []byte(chain + key)
	got, err := Parse(both, both, "")
	wantPair(t, got, err, "Test Client", "Test Intermediate", "Test Root")
}

// A key whose BEGIN line has lost its end isn't quoted as the label.
func TestLabelIsNoKey(t *testing.T) {
	key := strings.ReplaceAll(string(fixture(t, "ec.pkcs8.key")), "KEY-----\n", "KEY ")
	first := strings.Split(strings.SplitAfter(key, "KEY ")[1], "\n")[0]
	for _, text := range []string{key, strings.ReplaceAll(key, "\n", " "), "-----BEGIN " + first[:20] + "-----"} {
		_, err := privateKey([]byte(text), "")
		wantProblem(t, err, "BEGIN line of block 1")
		if strings.Contains(err.Error(), first[:12]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}
