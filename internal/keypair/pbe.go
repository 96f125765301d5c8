package keypair

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5" // PBES1 names it: a key that exists can't be read otherwise
	"crypto/sha1"
	"crypto/x509/pkix"
)

// encryptedKey is EncryptedPrivateKeyInfo: RFC 5208, section 6.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// The ways to encrypt that are read: RFC 8018, appendices A.3, A.4 and B.2; RFC 7292, appendix C.
const (
	pbeMD5DES   = "1.2.840.113549.1.5.3"
	pbeSHA1DES  = "1.2.840.113549.1.5.10"
	pbeSHA1DES3 = "1.2.840.113549.1.12.1.3" // triple DES with three keys
	pbeSHA1DES2 = "1.2.840.113549.1.12.1.4" // triple DES with two keys
	pbes2       = "1.2.840.113549.1.5.13"

	aes128CBC = "2.16.840.1.101.3.4.1.2"
	aes192CBC = "2.16.840.1.101.3.4.1.22"
	aes256CBC = "2.16.840.1.101.3.4.1.42"
	desEDE3   = "1.2.840.113549.3.7"
)

// decrypt opens an encrypted PKCS#8 key. There is no checksum in it: a wrong password shows by what comes out.
func decrypt(der []byte, password string) ([]byte, error) {
	var sealed encryptedKey
	if !unmarshal(der, &sealed) {
		return nil, errorf("private key is damaged: it isn't encrypted PKCS#8")
	}
	if password == "" {
		return nil, errorf("private key is encrypted, and no password is set for it")
	}
	block, iv, err := blockCipher(sealed.Algorithm, password)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(sealed.Data) == 0 || len(sealed.Data)%size != 0 {
		return nil, errorf("private key is damaged: its encrypted part has %d bytes, not a number of whole blocks", len(sealed.Data))
	}
	opened := make([]byte, len(sealed.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(opened, sealed.Data)
	opened, ok := unpad(opened, size)
	if info := (privateKeyInfo{}); !ok || !unmarshal(opened, &info) {
		return nil, errorf("password of the private key is wrong (or the key is damaged)")
	}
	return opened, nil
}

// unpad takes off the bytes that filled the last block: RFC 8018, section 6.1.1, step 4.
func unpad(b []byte, size int) ([]byte, bool) {
	n := int(b[len(b)-1])
	if n == 0 || n > size {
		return nil, false
	}
	text, padding := b[:len(b)-n], b[len(b)-n:]
	return text, bytes.Equal(padding, bytes.Repeat([]byte{byte(n)}, n))
}

// blockCipher returns the cipher and the initialization vector that the password makes.
func blockCipher(alg pkix.AlgorithmIdentifier, password string) (cipher.Block, []byte, error) {
	if alg.Algorithm.String() == pbes2 {
		return pbes2Cipher(alg.Parameters.FullBytes, password)
	}
	return pbes1Cipher(alg, password)
}

// pbeParameter is that of both kinds of PBES1: RFC 8018, appendix A.3; RFC 7292, appendix C.
type pbeParameter struct {
	Salt       []byte
	Iterations int
}

// pbes1Cipher has keys of DES, of which section 6.1.1 of RFC 8018 takes key and vector from one hash, and of triple
// DES, for which appendices B.2 to B.4 of RFC 7292 derive each by a purpose of its own.
func pbes1Cipher(alg pkix.AlgorithmIdentifier, password string) (cipher.Block, []byte, error) {
	id := alg.Algorithm.String()
	switch id {
	case pbeMD5DES, pbeSHA1DES, pbeSHA1DES3, pbeSHA1DES2:
	default:
		return nil, nil, unknown("way to encrypt", id)
	}
	var p pbeParameter
	if !unmarshal(alg.Parameters.FullBytes, &p) {
		return nil, nil, badParameters("PBES1")
	}
	if err := checkWork(p.Salt, p.Iterations); err != nil {
		return nil, nil, err
	}
	switch id {
	case pbeMD5DES, pbeSHA1DES:
		h := sha1.New
		if id == pbeMD5DES {
			h = md5.New
		}
		k := pbkdf1(h, []byte(password), p.Salt, p.Iterations)
		block, err := des.NewCipher(k[:8])
		return block, k[8:16], err
	default:
		text := utf16Text(password)
		key := pkcs12KDF(text, p.Salt, forKey, p.Iterations, 24)
		if id == pbeSHA1DES2 {
			copy(key[16:], key[:8]) // the first of two keys is used again
		}
		block, err := des.NewTripleDESCipher(key)
		return block, pkcs12KDF(text, p.Salt, forVector, p.Iterations, 8), err
	}
}

// pbes2Cipher joins any derivation with any cipher: RFC 8018, section 6.2 and appendix A.4.
func pbes2Cipher(parameters []byte, password string) (cipher.Block, []byte, error) {
	var p struct{ Derivation, Scheme pkix.AlgorithmIdentifier }
	if !unmarshal(parameters, &p) {
		return nil, nil, badParameters("PBES2")
	}
	newCipher, size := aes.NewCipher, 0
	switch id := p.Scheme.Algorithm.String(); id {
	case aes128CBC:
		size = 16
	case aes192CBC:
		size = 24
	case aes256CBC:
		size = 32
	case desEDE3:
		newCipher, size = des.NewTripleDESCipher, 24
	default:
		return nil, nil, unknown("cipher", id)
	}
	var iv []byte // appendix B.2: the parameter of each of these ciphers
	if !unmarshal(p.Scheme.Parameters.FullBytes, &iv) {
		return nil, nil, badParameters("PBES2")
	}
	key, err := derive(p.Derivation, password, size)
	if err != nil {
		return nil, nil, err
	}
	block, err := newCipher(key)
	return block, iv, err
}

func badParameters(of string) error {
	return errorf("private key is damaged: the parameters of its encryption (%s) can't be read", of)
}

// unknown is of an algorithm that isn't read here. RC2, RC4 and MD2 stand in RFC 8018 too: nothing else here needs them.
func unknown(what, id string) error {
	return errorf("private key is encrypted by a %s that isn't read here (%s): convert it with %s, on OpenSSL 3 "+
		"with -provider legacy -provider default for RC2 and RC4", what, id, convert)
}
