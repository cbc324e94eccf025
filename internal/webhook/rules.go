package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// mostWebhooks is how many a school group may have; the list is one page of so many.
const mostWebhooks = 20

// secretOverlap is how long the secret before is used besides a new one.
const secretOverlap = 24 * time.Hour

// schedule are the waits after each failed attempt: nine attempts in about a day (Standard Webhooks, "Operational
// considerations"). Each is taken up to a fifth shorter or longer, so that what failed together does not return together.
var schedule = []time.Duration{
	5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 10 * time.Hour,
}

func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*mathrand.Float64())) //nolint:gosec // nobody gains by guessing it
}

// The breaker of an endpoint: after so many failures of its own in a row (no answer, 429, 5xx) it is left alone for a
// while, twice as long each time; then one delivery tries.
const (
	breakerFailures = 5
	longestPause    = 15 * time.Minute
)

// pauseAfter is how long an endpoint is left alone after so many failures in a row; first is the shortest time.
func pauseAfter(failures int32, first time.Duration) time.Duration {
	if failures < breakerFailures {
		return 0
	}
	pause := first
	for range failures - breakerFailures {
		if pause *= 2; pause >= longestPause {
			return longestPause
		}
	}
	return pause
}

// hopeless is how long nothing may succeed before a webhook is disabled.
const hopeless = 5 * 24 * time.Hour

const (
	secretPrefix = "whsec_"
	secretSize   = 32
)

// NewSecret is a secret as Standard Webhooks writes it.
func NewSecret() string {
	var raw [secretSize]byte
	_, _ = rand.Read(raw[:]) // never fails (Go 1.24)
	return secretPrefix + base64.StdEncoding.EncodeToString(raw[:])
}

// sign is the value of webhook-signature: one for each secret (Standard Webhooks 1.0, "Symmetric signatures").
func sign(id string, at time.Time, body []byte, secrets ...string) (string, error) {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil {
			return "", fmt.Errorf("read a secret: %w", err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}

// faultsOf says what the document cannot state of a URL. What its name leads to is looked at whenever something is sent;
// an address that can be seen already is refused at once.
func (t *Targets) faultsOf(address string) []apperr.Field {
	fault := func(code, message string) []apperr.Field {
		return []apperr.Field{apperr.BodyField(code, message, "url")}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return fault("url", "Must be a URL with a host, and without a user and a fragment")
	case u.Scheme != "https" && !t.plain:
		return fault("scheme", "Must begin with https")
	case t.visiblyClosed(u):
		return fault("address", "Must lead to a public address")
	}
	return nil
}
