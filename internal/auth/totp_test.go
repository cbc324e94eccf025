package auth

import (
	"encoding/base32"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The vectors of RFC 6238, appendix B, for SHA-1: their last six digits.
func TestStepOf_knowsTheCodesOfTheStandard(t *testing.T) {
	t.Parallel()
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for seconds, code := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		for _, late := range []int64{-30, 0, 30} {
			step, found, err := stepOf(code, secret, time.Unix(seconds+late, 0))
			require.NoError(t, err)
			assert.True(t, found, "%d seconds from %d", late, seconds)
			assert.Equal(t, seconds/30, step, "the step that the code is of, not that of the clock")
		}
		for _, late := range []int64{60, 90} {
			_, found, err := stepOf(code, secret, time.Unix(seconds+late, 0))
			require.NoError(t, err)
			assert.False(t, found, "%d seconds from %d", late, seconds)
		}
	}
	_, found, err := stepOf("081804", secret, time.Unix(1111111109-60, 0))
	require.NoError(t, err)
	assert.False(t, found, "too early")
}

func TestNewKey_theIssuerCannotPassForTheAccount(t *testing.T) {
	t.Parallel()
	key, err := newKey("North: the school", "a@north.example")
	require.NoError(t, err)
	assert.Equal(t, "North  the school", key.Issuer())
	assert.Equal(t, "a@north.example", key.AccountName())
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key.Secret())
	require.NoError(t, err)
	assert.Len(t, secret, 20, "160 bits (RFC 4226, 4)")
}

func TestRecoveryCode_itsHashIsItsOwnersHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	owner, other := uuid.New(), uuid.New()
	want := hashRecoveryCode(owner, "ABCD-2345-EFGH-IJKL-MNOP-QRST")
	for _, written := range []string{"abcd-2345-efgh-ijkl-mnop-qrst", "ABCD2345EFGHIJKLMNOPQRST", " abcd 2345 efgh ijkl mnop qrst"} {
		assert.Equal(t, want, hashRecoveryCode(owner, written), written)
	}
	assert.NotEqual(t, want, hashRecoveryCode(other, "ABCD-2345-EFGH-IJKL-MNOP-QRST"))
	assert.NotEqual(t, want, hashRecoveryCode(owner, "ABCD-2345-EFGH-IJKL-MNOP-QRSA"))
}
