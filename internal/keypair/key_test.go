package keypair

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
)

func TestKeys(t *testing.T) {
	for _, tt := range []struct{ cert, key, password string }{
		{"client.pem", "rsa.pkcs1.key", ""},
		{"client.pem", "rsa.pkcs8.key", ""},
		{"client.pem", "rsa.pkcs8.key", "of no use"},
		{"ec.pem", "ec.key", ""}, // begins with a block EC PARAMETERS
		{"ec.pem", "ec.pkcs8.key", ""},
		{"client.pem", "pbes1-sha1-3des.key", password},
		{"client.pem", "pbes1-sha1-2des.key", password},
		{"client.pem", "pbes1-md5-des.key", password},
		{"client.pem", "pbes1-sha1-des.key", password},
		{"client.pem", "pbes2-default.key", password},
		{"client.pem", "pbes2-aes128-sha1.key", password},
		{"client.pem", "pbes2-aes192-sha384.key", password},
		{"client.pem", "pbes2-aes256-sha512.key", password},
		{"client.pem", "pbes2-3des-sha224.key", password},
		{"client.pem", "pbes2-scrypt.key", password},
		{"ec.pem", "ec-pbes1.key", password},
		{"ec.pem", "ec-pbes2.key", password},
		{"ec.pem", "unicode-pbes1.key", "pässwörd-🔑"},
		{"ec.pem", "unicode-pbes2.key", "pässwörd-🔑"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			name := map[string]string{"client.pem": "Test Client", "ec.pem": "Test EC Client"}[tt.cert]
			cert, key := fixture(t, tt.cert), fixture(t, tt.key)
			got, err := Parse(cert, key, tt.password)
			wantPair(t, got, err, name)
			got, err = Parse(cert, bytes.ReplaceAll(key, []byte("\n"), []byte("\r\n")), tt.password)
			wantPair(t, got, err, name)
			if !bytes.Contains(key, []byte("ENCRYPTED")) {
				return
			}
			_, err = Parse(cert, key, "another")
			wantProblem(t, err, "password of the private key is wrong")
			_, err = Parse(cert, key, "")
			wantProblem(t, err, "private key is encrypted, and no password is set")
		})
	}
}

func TestEd25519(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := privateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), "")
	if err != nil || !key.Equal(got) {
		t.Errorf("got another key, error %v", err)
	}
}

// A wrong password leaves a valid padding now and then: at about 8 of these 2000. None may be taken for right.
func TestWrongPasswords(t *testing.T) {
	sealed := der(t, encryptedKey{identifier(t, pbeMD5DES, pbeParameter{[]byte("12345678"), 1}), bytes.Repeat([]byte("a block!"), 8)})
	for i := range 2000 {
		_, err := decrypt(sealed, fmt.Sprint("password ", i))
		wantProblem(t, err, "password of the private key is wrong")
	}
}

func TestKeyProblems(t *testing.T) {
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	key := string(fixture(t, "ec.pkcs8.key"))
	// PKCS#8 of an X25519 key, which agrees on secrets and can't sign: RFC 8410, section 7.
	x25519 := append([]byte("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20"), bytes.Repeat([]byte{7}, 32)...)
	for _, tt := range []struct {
		name, key string
		want      []string
	}{
		{"legacy", string(fixture(t, "legacy.key")), []string{"Proc-Type: 4,ENCRYPTED", "openssl pkcs8 -topk8"}},
		{"rc2", string(fixture(t, "pbes1-sha1-rc2-40.key")), []string{"1.2.840.113549.1.12.1.6", "openssl pkcs8 -topk8", "-provider legacy"}},
		{"camellia", string(fixture(t, "pbes2-camellia.key")), []string{"cipher that isn't read", "openssl pkcs8 -topk8"}},
		{"openssh", block("OPENSSH PRIVATE KEY", []byte("x")), []string{"ssh-keygen -p -m PKCS8"}},
		{"dsa", block("DSA PRIVATE KEY", []byte("x")), []string{`"DSA PRIVATE KEY"`}},
		{"public", block("PUBLIC KEY", []byte("x")), []string{`"PUBLIC KEY" and no private key`}},
		{"certificate", string(fixture(t, "client.pem")), []string{"no private key", "swapped"}},
		{"two", key + key, []string{"more than one"}},
		{"x25519", block("PRIVATE KEY", x25519), []string{"1.3.101.110", "can't sign"}},
		{"garbage", block("PRIVATE KEY", []byte("x")), []string{"private key is damaged"}},
		{"garbage, encrypted", block("ENCRYPTED PRIVATE KEY", []byte("x")), []string{"private key is damaged"}},
		{"huge", block("PRIVATE KEY", make([]byte, maxKey+1)), []string{"at most 16384"}},
		{"empty", " \n", []string{"private key is empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(fixture(t, "client.pem"), []byte(tt.key), password)
			wantProblem(t, err, tt.want...)
		})
	}
}
