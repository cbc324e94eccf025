package auth_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
)

func TestToken_readsWhatItWrites(t *testing.T) {
	t.Parallel()
	tenant := uuid.Must(uuid.NewV7())
	token := auth.NewToken(tenant)
	parsed, err := auth.ParseToken(token.String())
	require.NoError(t, err)
	assert.Equal(t, token, parsed)
	assert.Equal(t, token.Hash(), parsed.Hash())
	assert.NotContains(t, token.String(), string(token.Hash()))
}

func TestToken_isRandom(t *testing.T) {
	t.Parallel()
	one, another := auth.NewToken(uuid.Nil), auth.NewToken(uuid.Nil)
	assert.NotEqual(t, one, another)
}

func TestParseToken_takesExactlyOneSpelling(t *testing.T) {
	t.Parallel()
	good := auth.NewToken(uuid.MustParse("01900000-0000-7000-8000-00000000d00a")).String()
	prefix, rest, _ := strings.Cut(good, ".")
	tenant, secret, _ := strings.Cut(rest, ".")
	for name, bad := range map[string]string{
		"empty": "", "dots only": "..", "no tenant": prefix + ".." + secret, "no secret": prefix + "." + tenant + ".",
		"tenant is no UUID":  prefix + ".demo." + secret,
		"tenant in capitals": prefix + "." + strings.ToUpper(tenant) + "." + secret,
		"tenant in braces":   prefix + ".{" + tenant + "}." + secret,
		"tenant as urn":      prefix + ".urn:uuid:" + tenant + "." + secret,
		"legacy number":      prefix + ".42." + secret,
		"other prefix":       "rc2." + tenant + "." + secret,
		"longer":             good + "A", "shorter": good[:len(good)-1], "padded": good + "=", "four parts": good + ".x",
		"white space": " " + good, "standard alphabet": prefix + "." + tenant + "." + strings.Repeat("+", 43),
	} {
		_, err := auth.ParseToken(bad)
		assert.Error(t, err, name)
	}
}

func TestClient_anIPv6NetworkIsOneClient(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7",
		"2001:db8:1:2:aaaa::1": "2001:db8:1:2::/64", "2001:db8:1:2:bbbb::2": "2001:db8:1:2::/64", "2001:db8:1:3::1": "2001:db8:1:3::/64",
		"fe80::1%eth0": "fe80::/64", "": "", "@": "", "somewhere": "",
	} {
		assert.Equal(t, want, auth.Client{Address: address}.Network(), address)
	}
}

func TestHashPassword_saltsEveryHash(t *testing.T) {
	t.Parallel()
	a, err := auth.HashPassword(t.Context(), "rollcall demo 2026")
	require.NoError(t, err)
	b, err := auth.HashPassword(t.Context(), "rollcall demo 2026")
	require.NoError(t, err)
	assert.NotEqual(t, a, b)
	assert.True(t, strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$"), "OWASP's minimum: %s", a)
}

// The handler has no database: a statement would be a panic.
func TestAuthenticate_aTokenThatIsNoneIsRefusedBeforeAnyLookup(t *testing.T) {
	t.Parallel()
	h := &auth.Handler{}
	good := auth.NewToken(uuid.Must(uuid.NewV7())).String()
	secret := good[strings.LastIndex(good, ".")+1:]
	for name, text := range map[string]string{
		"none": "", "tenant is no UUID": "rc1.demo." + secret, "legacy number": "rc1.42." + secret, "tenant is SQL": "rc1.'; drop schema x; --." + secret,
		"tenant is a schema": "rc1.t_0190000000007000800000000000d001." + secret, "no tenant": "rc1.." + secret, "no secret": good[:len(good)-43], "garbage": "garbage",
	} {
		for _, transport := range []api.Transport{api.TransportBearer, api.TransportCookie} {
			_, err := h.Authenticate(t.Context(), auth.Credential{Token: text, Transport: transport})
			assert.Equal(t, apperr.Unauthenticated, apperr.KindOf(err), name)
		}
	}
	assert.Panics(t, func() { _, _ = h.Authenticate(t.Context(), auth.Credential{Token: good}) }, "a well-formed one is looked up")
}

func TestToken_theCSRFTokenIsBoundToItAndTellsNothingOfIt(t *testing.T) {
	t.Parallel()
	one, another := auth.NewToken(uuid.Nil), auth.NewToken(uuid.Nil)
	again, err := auth.ParseToken(one.String())
	require.NoError(t, err)
	assert.Equal(t, one.CSRF(), again.CSRF(), "another request with the token knows it")
	assert.NotEqual(t, one.CSRF(), another.CSRF())
	assert.NotContains(t, one.String(), one.CSRF())
	assert.Len(t, one.CSRF(), 43)
}
