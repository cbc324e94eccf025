package server_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/seed"
)

// The second factor of the examples of openapi.yaml: exampleCode is good at exampleTime.
const (
	exampleSecret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	exampleCode     = "802565"
	exampleRecovery = "K7QX-3MZD-PLWA-6RTN-VB2H-YC5E"
)

// secondFactor gives a demo user the second factor of the examples, active or waiting for its first code.
func (h *harness) secondFactor(user string, active bool) {
	h.t.Helper()
	sealed := testBox().Seal(exampleSecret, "second_factors.secret "+seed.DemoTenant.String()+" "+user)
	h.db.Exec(h.t, `insert into `+h.schema()+`.second_factors (user_id, secret_sealed, activated_at)
		values ($1, $2, case when $3 then now() - interval '1 day' end)`, user, sealed, active)
	if active {
		hash := sha256.Sum256([]byte("recovery code\x00" + user + "\x00" + strings.ReplaceAll(exampleRecovery, "-", "")))
		h.db.Exec(h.t, `insert into `+h.schema()+`.recovery_codes (user_id, code_hash) values ($1, $2)`, user, hash[:])
	}
}

// codeAt is the code of a secret at a time.
func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	require.NoError(t, err)
	return code
}
