package keypair

import (
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F, pattern string, add func([]byte)) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no files %s in testdata: %v", pattern, err)
	}
	for _, name := range files {
		add(fixture(f, filepath.Base(name)))
	}
}

// wantTyped checks that what the parsers refuse is an *Error of one line.
func wantTyped(t *testing.T, err error) {
	t.Helper()
	var problem *Error
	if err != nil && (!errors.As(err, &problem) || strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 2000) {
		t.Errorf("got error %q", err)
	}
}

func FuzzParse(f *testing.F) {
	cert := fixture(f, "client.pem")
	f.Add(fixture(f, "chain.pem"), fixture(f, "rsa.pkcs8.key"), "")
	seeds(f, "*.key", func(key []byte) { f.Add(cert, key, password) })
	f.Fuzz(func(t *testing.T, cert, key []byte, password string) {
		_, err := Parse(cert, key, password)
		wantTyped(t, err)
		_, err = privateKey(key, password)
		wantTyped(t, err)
	})
}

// FuzzDecrypt reaches what base64 hides from FuzzParse.
func FuzzDecrypt(f *testing.F) {
	seeds(f, "*pbe*.key", func(key []byte) {
		b, _ := pem.Decode(key)
		f.Add(b.Bytes, password)
	})
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		var sealed encryptedKey
		if unmarshal(der, &sealed) && add(0, sealed.Algorithm) > 10_000 {
			return // allowed, and too slow for many of them
		}
		opened, err := decrypt(der, password)
		wantTyped(t, err)
		if err == nil {
			_, err = signer(opened)
			wantTyped(t, err)
		}
	})
}

func FuzzPKCS12(f *testing.F) {
	seeds(f, "*.p12", func(data []byte) { f.Add(data, password); f.Add(data, "") })
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		_, _, err := ParsePKCS12(data, password)
		wantTyped(t, err)
	})
}

func FuzzSecret(f *testing.F) {
	f.Add(`{"certificate": "-----BEGIN CERTIFICATE-----
x
-----END CERTIFICATE-----", "privateKey": "\n\"\\", "privateKeyPassword": "p"}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseSecret(text)
		wantTyped(t, err)
	})
}
