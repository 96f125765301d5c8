package keypair

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

const exportAgain = "export it again with openssl pkcs12 -in old.p12 -out all.pem (on OpenSSL 3 with -legacy for an old one) and " +
	"openssl pkcs12 -export -in all.pem -out new.p12"

// parsePKCS12 finds the certificate of the key and its chain: files have them in any order.
func parsePKCS12(data []byte, password string) (*pair, error) {
	if err := checkPKCS12(data, password); err != nil {
		return nil, err
	}
	key, first, rest, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		return nil, pkcs12Error(err, password)
	}
	all := append([]*x509.Certificate{first}, rest...)
	if len(all) > maxCertificates {
		return nil, errorf("PKCS#12 file holds %d certificates, and at most %d can be", len(all), maxCertificates)
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, errorf("PKCS#12 file: its private key can't sign: use RSA, ECDSA or Ed25519")
	}
	owner := slices.IndexFunc(all, func(c *x509.Certificate) bool { return holds(c, s.Public()) })
	if owner < 0 {
		return nil, errorf("PKCS#12 file: the private key belongs to none of its %d certificates, the first of which is %s", len(all), at(all, 0))
	}
	leaf := all[owner]
	others := slices.Delete(all, owner, owner+1)
	return &pair{chain: follow(leaf, others), others: others, key: s}, nil
}

// pkcs12Error says what the library found. Of its reasons only those of what it doesn't know are passed on: others may
// quote what was decrypted.
func pkcs12Error(err error, password string) error {
	var unknown pkcs12.NotImplementedError
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && password == "":
		return errorf("PKCS#12 file is encrypted, and no password is set for it")
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return errorf("password of the PKCS#12 file is wrong (or the file is damaged)")
	case errors.As(err, &unknown):
		return errorf("PKCS#12 file is of a kind that isn't read here (%s): %s", string(unknown), exportAgain)
	default:
		return errorf("PKCS#12 file must hold one private key and its certificate, none of them damaged: %s", exportAgain)
	}
}

// What checkPKCS12 looks at: RFC 7292, section 4 and appendix D; RFC 5652, section 8; RFC 9579, section 3.
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		MAC      macData `asn1:"optional"`
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	macData struct {
		Digest struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	encryptedData struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Content   asn1.RawValue `asn1:"tag:0,optional"`
		}
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue `asn1:"tag:0,explicit"`
		Attributes asn1.RawValue `asn1:"optional"`
	}
)

const (
	typeData      = "1.2.840.113549.1.7.1"
	typeEncrypted = "1.2.840.113549.1.7.6"
	pbmac1        = "1.2.840.113549.1.5.14"
)

// checkPKCS12 refuses a file that asks for too much work. The library does as many iterations as the file says. Those within an
// encrypted part aren't seen here; they are asked for by somebody who knew the password.
func checkPKCS12(data []byte, password string) error {
	if len(data) > maxText {
		return errorf("PKCS#12 file has %d bytes, and at most %d can be", len(data), maxText)
	}
	var file pfx
	var safe []byte
	var parts []contentInfo
	switch {
	case bytes.HasPrefix(data, []byte("-----")):
		return errorf("PKCS#12 file is PEM: set its parts as certificate and private key")
	case bytes.HasPrefix(data, []byte("\xfe\xed\xfe\xed")):
		return notPEM(data, "PKCS#12 file")
	case !unmarshal(data, &file), !unmarshal(file.AuthSafe.Content.Bytes, &safe), !unmarshal(safe, &parts):
		return errorf("PKCS#12 file is damaged, or another thing, or BER instead of DER: %s", exportAgain)
	case len(file.MAC.Digest.Algorithm.Algorithm) == 0 && password != "":
		return errorf("PKCS#12 file isn't protected by a password: set none for it, or %s", exportAgain)
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r > 0xffff }) {
		return errorf("password of the PKCS#12 file has a character that isn't read here, such as an emoji (above U+FFFF): %s", exportAgain)
	}
	total := sum(0, file.MAC.Iterations)
	if mac := file.MAC.Digest.Algorithm; mac.Algorithm.String() == pbmac1 {
		total = add(total, mac)
	}
	for _, p := range parts {
		total = countPart(total, p)
	}
	if total > maxIterations {
		return errorf("PKCS#12 file asks for more than %d iterations to derive its keys: %s", maxIterations, exportAgain)
	}
	return nil
}

// countPart adds the iterations that one part of the file asks for.
func countPart(total int, p contentInfo) int {
	switch p.Type.String() {
	case typeEncrypted:
		var e encryptedData
		if unmarshal(p.Content.Bytes, &e) {
			total = add(total, e.Info.Algorithm)
		}
	case typeData:
		var data []byte
		var bags []safeBag
		if !unmarshal(p.Content.Bytes, &data) || !unmarshal(data, &bags) {
			return total
		}
		for _, b := range bags {
			var key encryptedKey
			if unmarshal(b.Value.Bytes, &key) {
				total = add(total, key.Algorithm)
			}
		}
	}
	return total
}

// add counts the iterations of one algorithm, of whichever form its parameters are.
func add(total int, alg pkix.AlgorithmIdentifier) int {
	var old pbeParameter
	var joined struct {
		Derivation pkix.AlgorithmIdentifier
		Other      asn1.RawValue
	}
	var two pbkdf2Parameters
	switch {
	case unmarshal(alg.Parameters.FullBytes, &old):
		return sum(total, old.Iterations)
	case unmarshal(alg.Parameters.FullBytes, &joined) && unmarshal(joined.Derivation.Parameters.FullBytes, &two):
		return sum(total, two.Iterations)
	}
	return total
}

// sum stays above the limit once it is: numbers in a file are as large, or as far below zero, as its author likes.
func sum(total, n int) int {
	if n < 0 || n > maxIterations || total > maxIterations {
		return maxIterations + 1
	}
	return total + n
}
