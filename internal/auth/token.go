package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/google/uuid"
)

// tokenPrefix lets secret scanners recognise a token that was committed somewhere.
const tokenPrefix = "rc1"

const secretSize = 32

// Token is a session's token, taken apart.
type Token struct {
	Tenant uuid.UUID
	secret [secretSize]byte
}

var errMalformedToken = errors.New("malformed token")

// NewToken makes a token with a fresh random secret.
func NewToken(tenant uuid.UUID) Token {
	t := Token{Tenant: tenant}
	_, _ = rand.Read(t.secret[:]) // never fails (Go 1.24)
	return t
}

// ParseToken takes a token apart. Every part is strict, so one session has exactly one spelling of its token, and
// nothing malformed reaches the database.
func ParseToken(text string) (Token, error) {
	prefix, rest, _ := strings.Cut(text, ".")
	tenant, secret, _ := strings.Cut(rest, ".")
	id, err := uuid.Parse(tenant)
	if prefix != tokenPrefix || err != nil || id.String() != tenant {
		return Token{}, errMalformedToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(raw) != secretSize {
		return Token{}, errMalformedToken
	}
	return Token{Tenant: id, secret: [secretSize]byte(raw)}, nil
}

// String is the token as the client sends it.
func (t Token) String() string {
	return tokenPrefix + "." + t.Tenant.String() + "." + base64.RawURLEncoding.EncodeToString(t.secret[:])
}

// Hash is what the database keeps. A plain hash is enough for 256 random bits.
func (t Token) Hash() []byte {
	sum := sha256.Sum256(t.secret[:])
	return sum[:]
}

// CSRF proves that a page knows the session: it is made of the token's secret, which a page cannot read from its cookie,
// so it ends with the token and needs no place in the database.
func (t Token) CSRF() string {
	mac := hmac.New(sha256.New, t.secret[:])
	mac.Write([]byte("rollcall csrf v1"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
