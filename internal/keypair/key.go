package keypair

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"strings"
)

// convert is the command that makes of an OpenSSL key one that this package reads.
const convert = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.key -out new.key"

// privateKey reads the one private key of a text. Certificates beside it are passed over.
func privateKey(text []byte, password string) (crypto.Signer, error) {
	found, err := blocks(text, "private key")
	if err != nil {
		return nil, err
	}
	var key *pem.Block
	for _, b := range found {
		switch {
		case !strings.HasSuffix(b.Type, "PRIVATE KEY"):
		case key != nil:
			return nil, errorf("private key: the text holds more than one: leave the one that belongs to the certificate")
		default:
			key = b
		}
	}
	if key == nil {
		return nil, errorf("private key: the text holds a block %q and no private key: are certificate and private key swapped?", found[0].Type)
	}
	der, err := open(key, password)
	if err != nil {
		return nil, err
	}
	return signer(der)
}

// open returns a block's key, decrypted where it was encrypted.
func open(b *pem.Block, password string) ([]byte, error) {
	if len(b.Bytes) > maxKey {
		return nil, errorf("private key has %d bytes, and at most %d can be", len(b.Bytes), maxKey)
	}
	if strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, errorf("private key is encrypted as older OpenSSL did it (Proc-Type: 4,ENCRYPTED), which isn't read here: convert it to PKCS#8 with %s", convert)
	}
	switch b.Type {
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		return b.Bytes, nil
	case "ENCRYPTED PRIVATE KEY":
		return decrypt(b.Bytes, password)
	case "OPENSSH PRIVATE KEY":
		return nil, errorf("private key is in the form of OpenSSH: convert it to PKCS#8 with ssh-keygen -p -m PKCS8 -f copy.key, which changes that file")
	default:
		return nil, errorf("private key is of the kind %q, which isn't read here: set one in PKCS#8 (PRIVATE KEY or ENCRYPTED PRIVATE KEY)", b.Type)
	}
}

// privateKeyInfo is the outer form of a PKCS#8 key: RFC 5208, section 5. What follows in it, attributes and the public key of RFC 5958, is passed over by encoding/asn1.
type privateKeyInfo struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

// signer parses a key that isn't encrypted. Keys are often labelled as another kind, so all three are tried. The reasons
// of x509 aren't passed on: they may show what they stumbled over.
func signer(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(der)
	}
	if err != nil {
		key, err = x509.ParseECPrivateKey(der)
	}
	if s, ok := key.(crypto.Signer); ok && err == nil {
		return s, nil
	}
	if info := (privateKeyInfo{}); unmarshal(der, &info) {
		return nil, errorf("private key is of algorithm %s, which TLS in Go can't sign with, or is damaged: use RSA, ECDSA with P-256, P-384 or P-521, or Ed25519",
			info.Algorithm.Algorithm)
	}
	return nil, errorf("private key is damaged: it is neither PKCS#8 nor PKCS#1 nor an EC key")
}

// unmarshal reads DER that is nothing but v.
func unmarshal(der []byte, v any) bool {
	rest, err := asn1.Unmarshal(der, v)
	return err == nil && len(rest) == 0
}
