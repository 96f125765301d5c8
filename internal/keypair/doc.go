// Package keypair reads a client's certificate and private key for mutual TLS, from the forms in which they are handed out:
// PEM, PKCS#12, and the JSON that AWS Lambda takes from a secret of AWS Secrets Manager. A [Reloader] follows files
// and secrets that are renewed while the process runs.
//
// What is wrong with them is an [*Error], which says which certificate or which part of the text it is and what to do. No error
// holds a byte of a private key or a password.
//
// Private keys may be PKCS#8, PKCS#1 and EC keys. Encrypted ones are PKCS#8, by PBES2 (PBKDF2 or scrypt, with AES-CBC or
// three-key triple DES; RFC 8018, section 6.2) or by PBES1: with DES as RFC 8018, section 6.1, has it, or with triple DES as PKCS#12 has it (RFC
// 7292, appendix B). The libraries that read encrypted PKCS#8 know one of the two, or bring many other
// ciphers, and none limits the iterations that a file may ask for; so the decryption is here. PKCS#12 files are read by go-pkcs12.
//
// DES and SHA-1 protect nothing today. They are here because AWS Lambda takes PBES1 only, so that many secrets that exist hold it.
package keypair
