package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// stepSeconds is how long a code counts (RFC 6238, 4.1), and skewSteps how many steps a clock may be off.
const (
	stepSeconds = 30
	skewSteps   = 1
)

// newKey makes a secret for an authenticator app, which lists it under the issuer and the account. The app takes the first
// colon for the end of the issuer.
func newKey(issuer, account string) (*otp.Key, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: strings.ReplaceAll(issuer, ":", " "), AccountName: account, Period: stepSeconds, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return nil, fmt.Errorf("make a secret for TOTP: %w", err)
	}
	return key, nil
}

// stepOf is the latest step about now that a code is of; false when it is of none. It tries all of them, so that the time it
// takes says nothing.
func stepOf(code, secret string, now time.Time) (step int64, found bool, err error) {
	current := now.Unix() / stepSeconds
	for candidate := current - skewSteps; candidate <= current+skewSteps; candidate++ {
		matches, err := hotp.ValidateCustom(code, uint64(candidate), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, fmt.Errorf("compare a code: %w", err)
		}
		if matches {
			step, found = candidate, true
		}
	}
	return step, found, nil
}

const (
	recoveryCodes      = 10
	recoveryCodeLength = 24 // base32: 120 bits, so that a plain hash is enough (OWASP ASVS 5.0, 6.5.2)
)

// newRecoveryCodes makes codes in groups of four.
func newRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		text := rand.Text()[:recoveryCodeLength]
		groups := make([]string, 0, recoveryCodeLength/4)
		for ; text != ""; text = text[4:] {
			groups = append(groups, text[:4])
		}
		codes[i] = strings.Join(groups, "-")
	}
	return codes
}

var separators = strings.NewReplacer("-", "", " ", "")

// hashRecoveryCode is what the database keeps of a user's code, however it is written.
func hashRecoveryCode(user uuid.UUID, code string) []byte {
	sum := sha256.Sum256([]byte("recovery code\x00" + user.String() + "\x00" + strings.ToUpper(separators.Replace(code))))
	return sum[:]
}

func hashRecoveryCodes(user uuid.UUID, codes []string) [][]byte {
	hashes := make([][]byte, len(codes))
	for i, code := range codes {
		hashes[i] = hashRecoveryCode(user, code)
	}
	return hashes
}
