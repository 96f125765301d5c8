package keypair

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSecret(t *testing.T) {
	chain, key := string(fixture(t, "chain.pem")), string(fixture(t, "pbes2-default.key"))
	strict, err := json.Marshal(map[string]string{"certificate": chain, "privateKey": key, "privateKeyPassword": password})
	if err != nil {
		t.Fatal(err)
	}
	// As on AWS Lambda's page: line breaks stand in the strings as they are.
	raw := "{\n \"privateKeyPassword\": \"" + password + "\",\n \"certificate\": \"" + strings.TrimSpace(chain) +
		"\",\n \"privateKey\": \"" + strings.TrimSpace(key) + "\"\n}\n"
	for name, text := range map[string]string{
		"strict": string(strict), "raw": raw, "crlf": strings.ReplaceAll(raw, "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSecret(text)
			wantPair(t, got, err, "Test Client", "Test Intermediate", "Test Root")
		})
	}
	clear, err := DecodeSecret(`{"certificate": "c", "privateKey": "k"}`)
	if err != nil || string(clear.Certificate) != "c" || string(clear.Key) != "k" || clear.Password != "" {
		t.Errorf("got another secret, error %v", err)
	}
}

func TestSecretEscapes(t *testing.T) {
	got, err := DecodeSecret("{\"certificate\":\"a\\\"\n\tb\\\\\", \"privateKey\"\n:\"\\\\\n\\u0041\",\r\n\t\"privateKeyPassword\":\"p\\\\\\\"\\n\"}")
	if err != nil {
		t.Fatal(err)
	}
	if c, k, p := string(got.Certificate), string(got.Key), got.Password; c != "a\"\n\tb\\" || k != "\\\nA" || p != "p\\\"\n" {
		t.Errorf("got %q, %q, %q", c, k, p)
	}
}

func TestSecretProblems(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"isn't a JSON object", `"privateKeyPassword"`}},
		{"text", "canary", []string{"isn't a JSON object"}},
		{"pem", string(fixture(t, "ec.key")), []string{"isn't a JSON object"}},
		{"array", `["canary"]`, []string{"isn't a JSON object"}},
		{"no certificate", `{"privateKey": "canary"}`, []string{"no field certificate"}},
		{"no key", `{"certificate": "canary"}`, []string{"no field privateKey;"}},
		{"number", `{"certificate": "x", "privateKey": 31337}`, []string{"the field privateKey isn't text"}},
		{"sasl", `{"username": "canary", "password": "canary"}`, []string{"user name", "SASL"}},
		{"escaped line break", "{\"certificate\": \"canary\\\n\", \"privateKey\": \"canary\"}", []string{"isn't a JSON object"}},
		{"more behind", `{"certificate": "canary", "privateKey": "canary"} canary`, []string{"isn't a JSON object"}},
		{"too long", strings.Repeat(" ", maxText+1), []string{"at most 1048576"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseSecret(tt.text)
			wantProblem(t, err, tt.want...)
			if text := err.Error(); strings.Contains(text, "canary") || strings.Contains(text, "31337") {
				t.Errorf("the error quotes the secret: %s", text)
			}
		})
	}
}
