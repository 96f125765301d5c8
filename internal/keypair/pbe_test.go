package keypair

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math"
	"strings"
	"testing"
)

// identifier is an algorithm with its parameters.
func identifier(t *testing.T, id string, parameters any) pkix.AlgorithmIdentifier {
	t.Helper()
	return pkix.AlgorithmIdentifier{Algorithm: oid(t, id), Parameters: asn1.RawValue{FullBytes: der(t, parameters)}}
}

func oid(t *testing.T, id string) (o asn1.ObjectIdentifier) {
	t.Helper()
	for _, arc := range strings.Split(id, ".") {
		n := 0
		for _, digit := range arc {
			n = 10*n + int(digit-'0')
		}
		o = append(o, n)
	}
	return o
}

func der(t *testing.T, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type pbkdf2Form struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

type scryptForm struct {
	Salt            []byte
	Cost, Block, By int
}

type pbes2Form struct{ Derivation, Scheme pkix.AlgorithmIdentifier }

// What a file asks for is looked at before it is done: each of these would take minutes or gigabytes.
func TestWorkIsBounded(t *testing.T) {
	salt, iv := []byte("12345678"), identifier(t, aes256CBC, make([]byte, 16))
	two := func(derivation pkix.AlgorithmIdentifier) pkix.AlgorithmIdentifier {
		return identifier(t, pbes2, pbes2Form{derivation, iv})
	}
	for name, alg := range map[string]pkix.AlgorithmIdentifier{
		"md5-des":        identifier(t, pbeMD5DES, pbeParameter{salt, math.MaxInt64}),
		"sha1-des":       identifier(t, pbeSHA1DES, pbeParameter{salt, maxIterations + 1}),
		"sha1-3des":      identifier(t, pbeSHA1DES3, pbeParameter{salt, math.MaxInt64}),
		"none":           identifier(t, pbeSHA1DES3, pbeParameter{salt, 0}),
		"negative":       identifier(t, pbeSHA1DES3, pbeParameter{salt, -1}),
		"salt":           identifier(t, pbeSHA1DES3, pbeParameter{make([]byte, maxSalt+1), 1}),
		"pbkdf2":         two(identifier(t, kdfPBKDF2, pbkdf2Form{Salt: salt, Iterations: math.MaxInt64})),
		"pbkdf2 zero":    two(identifier(t, kdfPBKDF2, pbkdf2Form{Salt: salt})),
		"scrypt cost":    two(identifier(t, kdfScrypt, scryptForm{salt, 1 << 40, 8, 1})),
		"scrypt block":   two(identifier(t, kdfScrypt, scryptForm{salt, 2, 1 << 40, 1})),
		"scrypt by":      two(identifier(t, kdfScrypt, scryptForm{salt, 1024, 8, 1 << 40})),
		"scrypt by 17":   two(identifier(t, kdfScrypt, scryptForm{salt, 1024, 8, maxScryptRuns + 1})),
		"scrypt memory":  two(identifier(t, kdfScrypt, scryptForm{salt, 1 << 16, 8, 1})),
		"scrypt block 2": two(identifier(t, kdfScrypt, scryptForm{salt, 2, 1 << 18, 16})),
		"scrypt zero":    two(identifier(t, kdfScrypt, scryptForm{salt, 1024, 0, 1})),
		"scrypt least":   two(identifier(t, kdfScrypt, scryptForm{salt, 0, 8, 1})),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decrypt(der(t, encryptedKey{alg, make([]byte, 16)}), password)
			wantProblem(t, err, "private key: its encryption asks")
		})
	}
}

func TestDamagedParameters(t *testing.T) {
	salt := []byte("12345678")
	kdf := identifier(t, kdfPBKDF2, pbkdf2Form{Salt: salt, Iterations: 1})
	cipher := identifier(t, aes256CBC, make([]byte, 16))
	for _, tt := range []struct {
		name string
		alg  pkix.AlgorithmIdentifier
		data int
		want string
	}{
		{"pbes1", identifier(t, pbeMD5DES, 1), 16, "PBES1) can't be read"},
		{"pbes2", identifier(t, pbes2, 1), 16, "PBES2) can't be read"},
		{"iv", identifier(t, pbes2, pbes2Form{kdf, identifier(t, aes256CBC, 1)}), 16, "PBES2) can't be read"},
		{"short iv", identifier(t, pbes2, pbes2Form{kdf, identifier(t, aes256CBC, make([]byte, 15))}), 16, "whole blocks"},
		{"part of a block", identifier(t, pbes2, pbes2Form{kdf, cipher}), 17, "whole blocks"},
		{"nothing", identifier(t, pbes2, pbes2Form{kdf, cipher}), 0, "whole blocks"},
		{"key length", identifier(t, pbes2, pbes2Form{identifier(t, kdfPBKDF2, pbkdf2Form{Salt: salt, Iterations: 1, KeyLength: 16}), cipher}), 16, "PBKDF2) can't"},
		{"hash", identifier(t, pbes2, pbes2Form{identifier(t, kdfPBKDF2, pbkdf2Form{Salt: salt, Iterations: 1, PRF: identifier(t, "1.2.3", 1)}), cipher}), 16, "hash that isn't read here (1.2.3)"},
		{"derivation", identifier(t, pbes2, pbes2Form{identifier(t, "1.2.3", 1), cipher}), 16, "key derivation that isn't read here (1.2.3)"},
		{"scrypt", identifier(t, pbes2, pbes2Form{identifier(t, kdfScrypt, scryptForm{salt, 1000, 8, 1}), cipher}), 16, "scrypt) can't be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decrypt(der(t, encryptedKey{tt.alg, make([]byte, tt.data)}), password)
			wantProblem(t, err, tt.want)
		})
	}
}

// keyLength may be written, and the hash may be left out: RFC 8018, appendix A.2.
func TestPBKDF2Forms(t *testing.T) {
	hash := identifier(t, hmacSHA1, asn1.NullRawValue)
	var keys [][]byte
	for _, p := range []pbkdf2Form{{KeyLength: 24, PRF: hash}, {PRF: hash}, {KeyLength: 24}, {}} {
		p.Salt, p.Iterations = []byte("12345678"), 2
		key, err := derive(identifier(t, kdfPBKDF2, p), password, 24)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	for _, key := range keys[1:] {
		if !bytes.Equal(key, keys[0]) {
			t.Errorf("got keys %x, want all the same", keys)
		}
	}
}

// The values are those of openssl kdf -keylen 24 -kdfopt digest:SHA1 -kdfopt pass:smeg -kdfopt salt:12345678 -kdfopt iter:1000 -kdfopt id:1 PKCS12KDF
// and so on, with the password in UTF-16.
func TestPKCS12KDF(t *testing.T) {
	for _, tt := range []struct {
		purpose          byte
		iterations, size int
		want             string
	}{
		{1, 1000, 24, "e0673d7da8305718c49d7b6c3b7a05378dcfe6b5f5aad1eb"},
		{2, 1000, 8, "19442b4e3ca222fd"},
		{1, 1, 48, "310c6b560ad4031163422fb47aba0db9ee81b0f3e758f408555ce2646dd07393622c6d220d315ea63f1c51f5c902e353"},
	} {
		if got := hex.EncodeToString(pkcs12KDF(utf16Text("smeg"), []byte("12345678"), tt.purpose, tt.iterations, tt.size)); got != tt.want {
			t.Errorf("purpose %d, %d iterations: got %s, want %s", tt.purpose, tt.iterations, got, tt.want)
		}
	}
}

func TestUnpad(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int // bytes that are left; -1 where the padding is wrong
	}{
		{"abcdefg\x01", 7}, {"abcdef\x02\x02", 6}, {"\x08\x08\x08\x08\x08\x08\x08\x08", 0},
		{"abcdefg\x00", -1}, {"abcdef\x01\x02", -1}, {"abcdefg\x09", -1}, {"abcdefg\xff", -1},
	} {
		got, ok := unpad([]byte(tt.text), 8)
		if ok != (tt.want >= 0) || ok && len(got) != tt.want {
			t.Errorf("%q: got %d bytes, %v; want %d", tt.text, len(got), ok, tt.want)
		}
	}
}

func TestAddOne(t *testing.T) {
	a := []byte{0xff, 0xff, 0xff}
	addOne(a, []byte{0x00, 0x00, 0x00})
	if !bytes.Equal(a, []byte{0, 0, 0}) {
		t.Errorf("got % x: the overflow is dropped", a)
	}
	addOne(a, []byte{0x00, 0x01, 0xff})
	if !bytes.Equal(a, []byte{0, 2, 0}) {
		t.Errorf("got % x: the carry was lost", a)
	}
}

// Damage anywhere in an encrypted key is an error and no panic, and the error holds nothing of the key or the password.
func TestErrorsHoldNoSecret(t *testing.T) {
	cert := fixture(t, "ec.pem")
	b, _ := pem.Decode(fixture(t, "ec.pkcs8.key"))
	scalar := b.Bytes[len(b.Bytes)-102 : len(b.Bytes)-70] // of the private key within PKCS#8
	for _, name := range []string{"ec.pkcs8.key", "ec-pbes1.key", "ec-pbes2.key", "ec.key"} {
		whole := fixture(t, name)
		lines := strings.Split(string(whole), "\n")
		step := 1
		if strings.Contains(string(whole), "ENCRYPTED") {
			step = 5 // each takes 2,048 iterations
		}
		for i := 0; i < len(whole); i += step {
			text := bytes.Clone(whole)
			text[i] ^= 0x03
			_, err := Parse(cert, text, password)
			if err == nil {
				continue // of the public key within, or of an END line's surroundings
			}
			message := err.Error()
			for _, secret := range append(lines, password, hex.EncodeToString(scalar)) {
				if len(secret) > 8 && !strings.Contains(secret, dashes) && strings.Contains(message, secret) {
					t.Fatalf("%s, byte %d: the error holds a secret: %s", name, i, message)
				}
			}
		}
	}
}
