package keypair

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/binary"
	"hash"
	"unicode/utf16"

	"golang.org/x/crypto/scrypt"
)

// Limits on the work that a file may ask for before its password is known to be right.
const (
	maxIterations = 5_000_000 // 5 to 10 seconds; OpenSSL writes 2,048, and what is advised for passwords of people is below 1,500,000
	maxSalt       = 1024      // bytes; usual are 8 to 32
	maxScrypt     = 64 << 20  // bytes of memory; OpenSSL writes files that take 16 MiB
	maxScryptRuns = 16        // over that memory, one after the other; OpenSSL writes 1
)

func checkWork(salt []byte, iterations int) error {
	if iterations < 1 || iterations > maxIterations || len(salt) > maxSalt {
		return errorf("private key: its encryption asks for %d iterations with a salt of %d bytes, and 1 to %d with at most %d are done",
			iterations, len(salt), maxIterations, maxSalt)
	}
	return nil
}

// The derivations of PBES2: RFC 8018, appendices A.2 and B.1.1 to B.1.2; RFC 7914, section 7.
const (
	kdfPBKDF2 = "1.2.840.113549.1.5.12"
	kdfScrypt = "1.3.6.1.4.1.11591.4.11"

	hmacSHA1   = "1.2.840.113549.2.7"
	hmacSHA224 = "1.2.840.113549.2.8"
	hmacSHA256 = "1.2.840.113549.2.9"
	hmacSHA384 = "1.2.840.113549.2.10"
	hmacSHA512 = "1.2.840.113549.2.11"
)

// derive makes a key of size bytes for PBES2.
func derive(alg pkix.AlgorithmIdentifier, password string, size int) ([]byte, error) {
	switch id := alg.Algorithm.String(); id {
	case kdfPBKDF2:
		return derivePBKDF2(alg.Parameters.FullBytes, password, size)
	case kdfScrypt:
		return deriveScrypt(alg.Parameters.FullBytes, password, size)
	default:
		return nil, unknown("key derivation", id)
	}
}

func derivePBKDF2(parameters []byte, password string, size int) ([]byte, error) {
	var p pbkdf2Parameters
	if !unmarshal(parameters, &p) || p.KeyLength != 0 && p.KeyLength != size {
		return nil, badParameters("PBKDF2")
	}
	if err := checkWork(p.Salt, p.Iterations); err != nil {
		return nil, err
	}
	var h func() hash.Hash
	switch id := p.PRF.Algorithm.String(); id {
	case "", hmacSHA1: // the default
		h = sha1.New
	case hmacSHA224:
		h = sha256.New224
	case hmacSHA256:
		h = sha256.New
	case hmacSHA384:
		h = sha512.New384
	case hmacSHA512:
		h = sha512.New
	default:
		return nil, unknown("key derivation's hash", id)
	}
	return pbkdf2.Key(h, password, p.Salt, p.Iterations, size)
}

// pbkdf2Parameters are PBKDF2-params of RFC 8018, appendix A.2, but for a salt from another source, which nobody writes.
type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// deriveScrypt has the parameters of RFC 7914, section 7.1.
func deriveScrypt(parameters []byte, password string, size int) ([]byte, error) {
	var p struct {
		Salt            []byte
		Cost, Block, By int
		KeyLength       int `asn1:"optional"`
	}
	if !unmarshal(parameters, &p) || p.KeyLength != 0 && p.KeyLength != size {
		return nil, badParameters("scrypt")
	}
	if p.Cost < 2 || p.Block < 1 || p.By < 1 || p.By > maxScryptRuns || len(p.Salt) > maxSalt ||
		p.Cost > maxScrypt/128 || p.Block > maxScrypt/128/(p.Cost+p.By) { // it holds 128*block*(cost+by) bytes
		return nil, errorf("private key: its encryption asks scrypt for cost %d, block size %d and parallelization %d, which is over %d MiB of memory or %d runs",
			p.Cost, p.Block, p.By, maxScrypt>>20, maxScryptRuns)
	}
	key, err := scrypt.Key([]byte(password), p.Salt, p.Cost, p.Block, p.By, size)
	if err != nil { // the cost isn't a power of two
		return nil, badParameters("scrypt")
	}
	return key, nil
}

// pbkdf1 is that of RFC 8018, section 5.1, before the result is cut to its length: at least 16 bytes.
func pbkdf1(newHash func() hash.Hash, password, salt []byte, iterations int) []byte {
	h := newHash()
	h.Write(password)
	h.Write(salt)
	k := h.Sum(nil)
	for range iterations - 1 {
		h.Reset()
		h.Write(k)
		k = h.Sum(k[:0])
	}
	return k
}

// What a key is derived for: RFC 7292, appendix B.3.
const (
	forKey    = 1
	forVector = 2
)

// pkcs12KDF is that of RFC 7292, appendix B.2, with SHA-1: u is 20 bytes, v is 64. The password is as utf16Text has it.
func pkcs12KDF(password, salt []byte, purpose byte, iterations, size int) []byte {
	const v = sha1.BlockSize
	data := make([]byte, v) // D, then S, then P: steps 1 to 4
	for i := range data {
		data[i] = purpose
	}
	data = fill(fill(data, salt), password)
	var key []byte
	for {
		sum := sha1.Sum(data) // the only hash that PBES1 of PKCS#12 has
		for range iterations - 1 {
			sum = sha1.Sum(sum[:])
		}
		if key = append(key, sum[:]...); len(key) >= size {
			return key[:size]
		}
		addend := fill(nil, sum[:])[:v]
		for at := v; at < len(data); at += v { // step 6C
			addOne(data[at:at+v], addend)
		}
	}
}

// fill appends text again and again, up to a whole number of blocks of SHA-1; nothing where text is empty.
func fill(to, text []byte) []byte {
	blocks := (len(text) + sha1.BlockSize - 1) / sha1.BlockSize
	for want := len(to) + blocks*sha1.BlockSize; len(to) < want; {
		to = append(to, text[:min(len(text), want-len(to))]...)
	}
	return to
}

// addOne adds b and 1 to a, as big-endian numbers of the same length, and drops what overflows.
func addOne(a, b []byte) {
	carry := 1
	for i := len(a) - 1; i >= 0; i-- {
		carry += int(a[i]) + int(b[i])
		a[i] = byte(carry)
		carry >>= 8
	}
}

// utf16Text is a password in UTF-16, big-endian, with two zero bytes at its end: RFC 7292, appendix B.1.
func utf16Text(password string) []byte {
	var text []byte
	for _, unit := range utf16.Encode([]rune(password)) {
		text = binary.BigEndian.AppendUint16(text, unit)
	}
	return append(text, 0, 0)
}
