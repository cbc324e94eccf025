package replay

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 with the algorithm that authenticator apps have
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// totpPeriod is how long a time-based code is good, as authenticator apps have it.
const totpPeriod = 30 * time.Second

// totpCounter is the period that a time is in (RFC 6238, 4.2).
func totpCounter(at time.Time) int64 { return at.Unix() / int64(totpPeriod/time.Second) }

// totp is the code of six digits of a secret in base32 for one period (RFC 6238, RFC 4226 5.3).
func totp(secret string, counter int64) (string, error) {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(secret, "=")))
	if err != nil {
		return "", fmt.Errorf("the secret of a second factor: %w", err)
	}
	mac := hmac.New(sha1.New, key)
	if err := binary.Write(mac, binary.BigEndian, counter); err != nil {
		return "", err
	}
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000), nil
}

// code is a code of the secret that an answer has had under this name. Each is used once, as servers want it: when the
// present one has been, it is the next one, which servers take too (RFC 6238, 5.2); for one later still it waits.
func (r *runner) code(ctx context.Context, name string) (string, error) {
	secret, counter := r.secrets[name], totpCounter(time.Now())
	if next := r.usedCodes[secret] + 1; counter < next {
		if err := r.pause(ctx, time.Until(time.Unix((next-1)*int64(totpPeriod/time.Second), 0))); err != nil {
			return "", err
		}
		counter = next
	}
	r.usedCodes[secret] = counter
	return totp(secret, counter)
}
