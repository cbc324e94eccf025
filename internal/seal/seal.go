// Package seal keeps single values secret at rest: encrypted so that only this installation reads them, and digested so
// that equal values can be found without reading them.
//
// Both use keys derived from the one key of the installation (ROLLCALL_ENCRYPTION_KEY).
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// KeySize is the length of the installation's key in bytes.
const KeySize = 32

// version is the first byte of every sealed value, so that a change of key or cipher can be told apart later.
const version = 1

// Box seals and opens. It is safe for concurrent use.
type Box struct {
	aead      cipher.AEAD
	digestKey []byte
}

// New makes a box of the installation's key.
func New(key []byte) (*Box, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the encryption key has %d bytes, want %d", len(key), KeySize)
	}
	sealKey, err := hkdf.Key(sha256.New, key, nil, "rollcall seal v1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the sealing key: %w", err)
	}
	digestKey, err := hkdf.Key(sha256.New, key, nil, "rollcall digest v1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the digest key: %w", err)
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return &Box{aead: aead, digestKey: digestKey}, nil
}

// GenerateKey makes a key and its text, as ROLLCALL_ENCRYPTION_KEY takes it.
func GenerateKey() (string, error) {
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("generate a key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// ParseKey reads a key from its text.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("not base64 of %d bytes; make one with: openssl rand -base64 %d", KeySize, KeySize)
	}
	return key, nil
}

// Seal encrypts a value with AES-256-GCM and a random nonce. It opens only with the same place, which says whose value it
// is, so that a sealed value cannot be moved to another row.
func (b *Box) Seal(value, place string) []byte {
	return b.aead.Seal([]byte{version}, nil, []byte(value), []byte(place)) //nolint:gosec // this AEAD makes its own random nonce
}

var errSealed = errors.New("a sealed value does not open: wrong key, wrong place or changed")

// Open decrypts what Seal made for the same place.
func (b *Box) Open(sealed []byte, place string) (string, error) {
	if len(sealed) == 0 || sealed[0] != version {
		return "", errSealed
	}
	value, err := b.aead.Open(nil, nil, sealed[1:], []byte(place))
	if err != nil {
		return "", errSealed
	}
	return string(value), nil
}

// Digest is the same for equal values of one domain, and says nothing of the value to who lacks the key (HMAC-SHA-256).
func (b *Box) Digest(value, domain string) []byte {
	mac := hmac.New(sha256.New, b.digestKey)
	fmt.Fprintf(mac, "%d:%s%s", len(domain), domain, value)
	return mac.Sum(nil)
}
