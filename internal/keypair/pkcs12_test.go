package keypair

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math"
	"slices"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

func encodePKCS12(t *testing.T, leaf entity, others ...entity) []byte {
	t.Helper()
	var certs []*x509.Certificate
	for _, e := range others {
		certs = append(certs, e.cert)
	}
	data, err := pkcs12.Modern2026.Encode(leaf.key, leaf.cert, certs, password)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPKCS12(t *testing.T) {
	whole := []string{"Test Client", "Test Intermediate", "Test Root"}
	for _, tt := range []struct {
		file, password string
		want           []string
	}{
		{"modern.p12", password, whole},
		{"legacy.p12", password, whole},
		{"ec.p12", password, []string{"Test EC Client"}},
		{"plain.p12", "", []string{"Test EC Client"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			data := fixture(t, tt.file)
			got, others, err := ParsePKCS12(data, tt.password)
			wantPair(t, got, err, tt.want...)
			if len(others) != len(tt.want)-1 {
				t.Errorf("got %d other certificates, want %d", len(others), len(tt.want)-1)
			}
			got, err = Parts{PKCS12: data, Password: tt.password}.Parse()
			wantPair(t, got, err, tt.want...)
			if tt.password == "" {
				return
			}
			_, _, err = ParsePKCS12(data, "another")
			wantProblem(t, err, "password of the PKCS#12 file is wrong")
			_, _, err = ParsePKCS12(data, "")
			wantProblem(t, err, "encrypted, and no password is set")
		})
	}
}

// Files have their certificates in any order, and some that aren't of the chain.
func TestPKCS12Order(t *testing.T) {
	root := issue(t, "Root", nil)
	inter := issue(t, "Inter", &root)
	leaf := issue(t, "Leaf", &inter)
	server := issue(t, "Server Root", nil)
	cross := issue(t, "Inter", &server, func(c *x509.Certificate) {}) // another key, the same name
	data := encodePKCS12(t, entity{server.cert, leaf.key}, root, cross, leaf, inter)
	got, others, err := ParsePKCS12(data, password)
	wantPair(t, got, err, "Leaf", "Inter", "Root")
	var names []string
	for _, c := range others {
		names = append(names, c.Subject.CommonName)
	}
	if want := []string{"Server Root", "Root", "Inter", "Inter"}; !slices.Equal(names, want) {
		t.Errorf("got others %q, want %q", names, want)
	}
}

func TestPKCS12Problems(t *testing.T) {
	a, b := issue(t, "A", nil), issue(t, "B", nil)
	mixed := encodePKCS12(t, entity{a.cert, b.key})
	many := make([]entity, maxCertificates)
	for i := range many {
		many[i] = a
	}
	for _, tt := range []struct {
		name, data, password string
		want                 []string
	}{
		{"empty", "", password, []string{"PKCS#12 file is damaged, or another thing"}},
		{"garbage", "hello", password, []string{"PKCS#12 file is damaged, or another thing", "openssl pkcs12 -export"}},
		{"cut off", string(mixed[:len(mixed)-1]), password, []string{"PKCS#12 file is damaged"}},
		{"pem", string(fixture(t, "client.pem")), password, []string{"PKCS#12 file is PEM"}},
		{"jks", "\xfe\xed\xfe\xed\x00", password, []string{"Java keystore", "keytool"}},
		{"too long", strings.Repeat("\x30", maxText+1), password, []string{"at most 1048576"}},
		{"no key", string(fixture(t, "certificates-only.p12")), password, []string{"one private key and its certificate"}},
		{"another key", string(mixed), password, []string{`belongs to none of its 1 certificates`, `"CN=A"`}},
		{"many", string(encodePKCS12(t, a, many...)), password, []string{"51 certificates"}},
		{"password for nothing", string(fixture(t, "plain.p12")), password, []string{"isn't protected by a password"}},
		{"emoji", string(mixed), "🔑", []string{"U+FFFF"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParsePKCS12([]byte(tt.data), tt.password)
			wantProblem(t, err, tt.want...)
		})
	}
}

// The library does what the file asks for, so that files are looked at first.
func TestPKCS12WorkIsBounded(t *testing.T) {
	encoded := func(id string, parameters any) pkix.AlgorithmIdentifier { return identifier(t, id, parameters) }
	const most = maxIterations
	for _, tt := range []struct {
		name      string
		mac, n, m int // iterations: of the MAC, of the certificates, of the key
		want      bool
	}{
		{"mac", math.MaxInt64, 1, 1, true},
		{"certificates", 1, math.MaxInt64, 1, true},
		{"key", 1, 1, math.MaxInt64, true},
		{"together", most / 2, most / 4, most/4 + 1, true},
		{"overflow", 1, math.MaxInt64, math.MaxInt64, true},
		{"negative", -most, most, most, true},
		{"as much as may be", most / 2, most / 4, most / 4, false},
	} {
		for name, alg := range map[string]func(int) pkix.AlgorithmIdentifier{
			"pbes1": func(n int) pkix.AlgorithmIdentifier { return encoded(pbeSHA1DES3, pbeParameter{[]byte("salt"), n}) },
			"pbes2": func(n int) pkix.AlgorithmIdentifier {
				return encoded(pbes2, pbes2Form{encoded(kdfPBKDF2, pbkdf2Form{Salt: []byte("salt"), Iterations: n}), encoded(aes256CBC, make([]byte, 16))})
			},
		} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				err := checkPKCS12(withWork(t, tt.mac, alg(tt.n), alg(tt.m)), password)
				if tt.want {
					wantProblem(t, err, "PKCS#12 file asks for more than 5000000 iterations")
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
	file := pfx{Version: 3, AuthSafe: contentInfo{oid(t, typeData), explicit(t, der(t, der(t, []contentInfo{})))}}
	file.MAC.Digest.Algorithm = encoded(pbmac1, pbes2Form{encoded(kdfPBKDF2, pbkdf2Form{Salt: []byte("salt"), Iterations: math.MaxInt64}), encoded(hmacSHA256, asn1.NullRawValue)})
	file.MAC.Iterations = 1
	wantProblem(t, checkPKCS12(der(t, file), password), "PKCS#12 file asks for more than 5000000 iterations")
}

// withWork is a file with the parameters of a PKCS#12 file, and nothing encrypted by them.
func withWork(t *testing.T, mac int, certs, key pkix.AlgorithmIdentifier) []byte {
	t.Helper()
	var sealed encryptedData
	sealed.Info.Type, sealed.Info.Algorithm = oid(t, typeData), certs
	sealed.Info.Content = asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: make([]byte, 16)}
	bag := safeBag{ID: oid(t, "1.2.840.113549.1.12.10.1.2"), Value: explicit(t, der(t, encryptedKey{key, make([]byte, 16)}))}
	bag.Attributes = asn1.RawValue{Tag: asn1.TagSet, IsCompound: true}
	parts := []contentInfo{
		{oid(t, typeEncrypted), explicit(t, der(t, sealed))},
		{oid(t, typeData), explicit(t, der(t, der(t, []safeBag{bag})))},
	}
	file := pfx{Version: 3, AuthSafe: contentInfo{oid(t, typeData), explicit(t, der(t, der(t, parts)))}}
	file.MAC.Digest.Algorithm.Algorithm = oid(t, "2.16.840.1.101.3.4.2.1")
	file.MAC.Iterations = mac
	return der(t, file)
}

// explicit is what stands in a field tagged "tag:0,explicit".
func explicit(t *testing.T, content []byte) asn1.RawValue {
	t.Helper()
	return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: content}
}

// The form in which the limits are looked for is that in which the library reads: in real files they are found.
func TestPKCS12WorkIsSeen(t *testing.T) {
	for _, name := range []string{"modern.p12", "legacy.p12"} {
		var file pfx
		var safe []byte
		var parts []contentInfo
		if !unmarshal(fixture(t, name), &file) || !unmarshal(file.AuthSafe.Content.Bytes, &safe) || !unmarshal(safe, &parts) {
			t.Fatal("not read")
		}
		if file.MAC.Iterations != 2048 {
			t.Errorf("%s: got %d iterations of the MAC, want 2048", name, file.MAC.Iterations)
		}
		for i, p := range parts {
			if got := countPart(0, p); got != 2048 {
				t.Errorf("%s: got %d iterations in part %d, want 2048", name, got, i)
			}
		}
	}
}
