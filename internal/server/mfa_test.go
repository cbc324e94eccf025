package server_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
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

// verify sends a code, or what else the body says.
func (h *harness) verify(token string, body map[string]any) answer {
	h.t.Helper()
	return h.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/verify", Token: token, Body: body})
}

// login signs the demo's teacher in, with the password alone.
func (h *harness) login() answer {
	h.t.Helper()
	got := h.do(call{Method: http.MethodPost, Path: "/v1/auth/login", Body: map[string]any{"tenant": "demo", "email": teacher, "password": seed.DemoPassword}})
	require.Equal(h.t, http.StatusOK, got.Status, "%s", got.Raw)
	return got
}

// halfToken is the token of a session that waits for its second factor, behind the API's back.
func (h *harness) halfToken(role string) string {
	h.t.Helper()
	token := auth.NewToken(seed.DemoTenant)
	h.insertSession(token, demoUsers[role], api.TransportBearer, time.Hour)
	h.db.Exec(h.t, `update `+h.schema()+`.sessions set factor_at = null where token_hash = $1`, token.Hash())
	return token.String()
}

func TestMFA_fromSettingItUpToRemovingIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	first, elsewhere := h.login(), h.login()
	token := first.get("token").(string)
	post := func(path string, body any) answer {
		t.Helper()
		return h.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/" + path, Token: token, Body: body})
	}
	assert.Equal(t, http.StatusConflict, post("activate", map[string]any{"code": "000000"}).Status, "nothing to activate")
	assert.Equal(t, http.StatusConflict, post("verify", map[string]any{"code": "000000"}).Status, "nothing to verify")
	post("enroll", nil)
	require.Equal(t, http.StatusNoContent, h.do(call{Method: http.MethodDelete, Path: "/v1/auth/mfa", Token: token}).Status, "one that waits can be given up")
	assert.Equal(t, http.StatusOK, h.session(elsewhere.get("token").(string)).Status, "which concerns no other session")
	abandoned, enrolled := post("enroll", nil), post("enroll", nil)
	require.Equal(t, http.StatusOK, enrolled.Status, "%s", enrolled.Raw)
	secret := enrolled.get("secret").(string)
	assert.Equal(t, "otpauth://totp/Asha%20Vidyalaya:teacher@demo.school?algorithm=SHA1&digits=6&issuer=Asha%20Vidyalaya&period=30&secret="+secret, enrolled.get("otpauthUri"))
	assert.Equal(t, "none", h.session(token).get("mfa"), "one that waits asks for nothing")
	assert.Equal(t, http.StatusConflict, post("verify", map[string]any{"code": codeAt(t, secret, exampleTime)}).Status, "one that waits verifies nothing")
	wrong := post("activate", map[string]any{"code": codeAt(t, abandoned.get("secret").(string), exampleTime)})
	assert.Equal(t, []fault{{"code", "mismatch"}}, wrong.faults(), "the secret that was replaced")

	activated := post("activate", map[string]any{"code": codeAt(t, secret, exampleTime)})
	require.Equal(t, http.StatusOK, activated.Status, "%s", activated.Raw)
	assert.Len(t, activated.list("recoveryCodes"), 10)
	assert.Equal(t, http.StatusUnauthorized, h.session(token).Status, "the token before")
	assert.Equal(t, http.StatusUnauthorized, h.session(elsewhere.get("token").(string)).Status, "the other sessions")
	token = activated.get("token").(string)
	assert.Equal(t, "satisfied", h.session(token).get("mfa"))
	assert.Equal(t, http.StatusConflict, post("enroll", nil).Status, "an active one is not replaced")
	assert.Equal(t, http.StatusConflict, post("activate", map[string]any{"code": codeAt(t, secret, exampleTime)}).Status)

	half := h.login()
	assert.Equal(t, "required", half.get("mfa"))
	assert.WithinDuration(t, time.Now().Add(15*time.Minute), timeOf(t, half.get("expiresAt")), time.Minute)
	assert.Equal(t, "/problems/mfa-required", h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: half.get("token").(string)}).get("type"))
	assert.Equal(t, []fault{{"code", "mismatch"}}, h.verify(half.get("token").(string), map[string]any{"code": codeAt(t, secret, exampleTime)}).faults(), "the code that activated it is used")
	verified := h.verify(half.get("token").(string), map[string]any{"code": codeAt(t, secret, exampleTime.Add(30*time.Second))})
	require.Equal(t, http.StatusOK, verified.Status, "%s", verified.Raw)
	assert.Equal(t, "satisfied", verified.get("mfa"))
	assert.WithinDuration(t, time.Now().Add(12*time.Hour), timeOf(t, verified.get("expiresAt")), time.Minute)
	assert.Equal(t, http.StatusUnauthorized, h.session(half.get("token").(string)).Status, "the half session's token")
	assert.Equal(t, http.StatusOK, h.do(call{Method: http.MethodGet, Path: "/v1/students", Token: verified.get("token").(string)}).Status)

	remove := call{Method: http.MethodDelete, Path: "/v1/auth/mfa", Token: verified.get("token").(string)}
	require.Equal(t, http.StatusNoContent, h.do(remove).Status)
	assert.Equal(t, http.StatusUnauthorized, h.session(token).Status, "the other sessions end")
	assert.Equal(t, "none", h.session(verified.get("token").(string)).get("mfa"))
	assert.Equal(t, http.StatusConflict, h.do(remove).Status, "there is none")
	assert.Zero(t, h.count("recovery_codes", "true"))
	assert.Equal(t, "none", h.login().get("mfa"))
}

func TestMFA_aCodeIsGoodOnceAndOneStepEitherWay(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.secondFactor(demoUsers["admin"], true)
	try := func(steps int) bool {
		t.Helper()
		got := h.verify(h.halfToken("admin"), map[string]any{"code": codeAt(t, exampleSecret, exampleTime.Add(time.Duration(steps)*30*time.Second))})
		if got.Status != http.StatusOK {
			assert.Equal(t, []fault{{"code", "mismatch"}}, got.faults())
		}
		return got.Status == http.StatusOK
	}
	for _, step := range []struct {
		steps int
		good  bool
		why   string
	}{
		{-2, false, "too old"},
		{2, false, "too early"},
		{-1, true, "a clock behind"},
		{-1, false, "used"},
		{0, true, "now"},
		{0, false, "used"},
		{-1, false, "before one that was used"},
		{1, true, "a clock ahead"},
		{0, false, "before one that was used"},
		{1, false, "used"},
	} {
		assert.Equal(t, step.good, try(step.steps), "%d steps: %s", step.steps, step.why)
	}
}

// withoutDelays lets every try be compared, so that nothing but its use decides about a code.
func (h *harness) withoutDelays() {
	h.t.Helper()
	h.db.Exec(h.t, `create function `+h.schema()+`.forgive() returns trigger language plpgsql as $$ begin new.failures := 0; return new; end $$`)
	h.db.Exec(h.t, `create trigger forgive before insert or update on `+h.schema()+`.guesses for each row execute function `+h.schema()+`.forgive()`)
}

// hundredAtOnce sends one body from a hundred half sessions over two instances, and counts the answers.
func hundredAtOnce(t *testing.T, body map[string]any) (here *harness, statuses map[int]int) {
	t.Helper()
	patient := db.Config{MaxConns: 4, Timeout: time.Minute, LockTimeout: time.Minute} // they queue for one row
	here = newHarnessOn(t, dbtest.NewFrom(t, "demo", seedDemo), patient)
	there := newHarnessOn(t, here.db, patient)
	here.secondFactor(demoUsers["admin"], true)
	here.withoutDelays()
	answers := make([]int, 100)
	var all sync.WaitGroup
	for i := range answers {
		h, token := []*harness{here, there}[i%2], here.halfToken("admin")
		all.Go(func() { answers[i] = h.verify(token, body).Status })
	}
	all.Wait()
	statuses = map[int]int{}
	for _, status := range answers {
		statuses[status]++
	}
	return here, statuses
}

func TestMFA_ofAHundredUsesOfOneCodeAtOnceExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	h, statuses := hundredAtOnce(t, map[string]any{"code": exampleCode})
	t.Logf("100 uses of one code at once over two instances: %v", statuses)
	assert.Equal(t, map[int]int{http.StatusOK: 1, http.StatusBadRequest: 99}, statuses)
	assert.EqualValues(t, 1, h.count("sessions", "factor_at is not null"))
}

func TestMFA_ofAHundredUsesOfOneRecoveryCodeAtOnceExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	h, statuses := hundredAtOnce(t, map[string]any{"recoveryCode": exampleRecovery})
	t.Logf("100 uses of one recovery code at once over two instances: %v", statuses)
	assert.Equal(t, map[int]int{http.StatusOK: 1, http.StatusBadRequest: 99}, statuses)
	assert.EqualValues(t, 1, h.count("sessions", "factor_at is not null"))
}

func TestMFA_eachRecoveryCodeIsGoodOnceHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	secret := h.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/enroll", Token: h.token("admin")}).get("secret").(string)
	activated := h.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/activate", Token: h.token("admin"), Body: map[string]any{"code": codeAt(t, secret, exampleTime)}})
	require.Equal(t, http.StatusOK, activated.Status, "%s", activated.Raw)
	h.secondFactor(demoUsers["teacher"], true)
	rows := dbtest.Value[string](t, h.db, `select string_agg(r::text, ' ') from `+h.schema()+`.second_factors r`) +
		dbtest.Value[string](t, h.db, `select string_agg(r::text, ' ') from `+h.schema()+`.recovery_codes r`)
	seen := map[string]bool{}
	for i, code := range activated.list("recoveryCodes") {
		code := code.(string)
		seen[code] = true
		assert.Regexp(t, `^[A-Z2-7]{4}(-[A-Z2-7]{4}){5}$`, code)
		assert.NotContains(t, rows, code)
		assert.NotContains(t, rows, strings.ReplaceAll(code, "-", ""))
		written := []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " ")}[i%4]
		assert.Equal(t, http.StatusBadRequest, h.verify(h.halfToken("teacher"), map[string]any{"recoveryCode": written}).Status, "it is nobody else's")
		assert.Equal(t, http.StatusOK, h.verify(h.halfToken("admin"), map[string]any{"recoveryCode": written}).Status, written)
		assert.Equal(t, http.StatusBadRequest, h.verify(h.halfToken("admin"), map[string]any{"recoveryCode": code}).Status, "again")
		h.db.Exec(t, `delete from `+h.schema()+`.guesses`)
	}
	assert.Len(t, seen, 10)
	assert.NotContains(t, rows, secret, "it is sealed")
	assert.NotContains(t, rows, fmt.Sprintf("%x", secret))
}

func TestMFA_wrongCodesAreDelayedButTheOwnerIsNotLockedOut(t *testing.T) {
	t.Parallel()
	h := newGuessHarness(t)
	h.secondFactor(demoUsers["teacher"], true)
	try := func(address string, steps int, body map[string]any) answer {
		t.Helper()
		if body == nil {
			body = map[string]any{"code": codeAt(t, exampleSecret, exampleTime.Add(time.Duration(steps)*30*time.Second))}
		}
		token := h.tryPassword(address, teacher, seed.DemoPassword).get("token").(string)
		return h.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/verify", Token: token, Body: body, Header: map[string]string{"X-Forwarded-For": address}})
	}
	require.Equal(t, http.StatusOK, try(home, -1, nil).Status)
	for range 5 {
		require.Equal(t, http.StatusBadRequest, try(stranger, 0, map[string]any{"code": "000000"}).Status)
		require.Equal(t, http.StatusBadRequest, try(stranger, 0, map[string]any{"recoveryCode": "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF"}).Status)
	}
	h.passTime(-time.Hour)
	wrong, right := try(stranger, 0, map[string]any{"code": "000000"}), try(stranger, 0, nil)
	assert.Equal(t, http.StatusBadRequest, right.Status, "even the right one")
	assert.Equal(t, withoutRequestID(wrong), withoutRequestID(right), "nothing tells that it is delayed")
	recovery := try(stranger, 0, map[string]any{"recoveryCode": exampleRecovery})
	assert.Equal(t, http.StatusBadRequest, recovery.Status)
	assert.Equal(t, http.StatusOK, try(home, 0, nil).Status, "where the owner has verified before, nothing is delayed")
	h.endDelay()
	assert.Equal(t, http.StatusOK, try(stranger, 1, nil).Status, "the delay ends by itself")
}

// Who requires a second factor, on one server, is obeyed by the very next request to another one that knew the user.
func TestMFA_aRequirementHoldsForTheVeryNextRequestOnEveryInstance(t *testing.T) {
	t.Parallel()
	here := newHarness(t)
	there := newHarnessOn(t, here.db, db.Config{MaxConns: 4})
	user := here.userWith(assigned{roleID: here.role("Bursar", contract.ReachInstitutions, "students:read")})
	token := here.tokenIn(seed.DemoTenant, user, time.Hour)
	state := func() string {
		t.Helper()
		allowed := there.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token}).Status == http.StatusOK
		mfa, _ := there.session(token).get("mfa").(string)
		assert.Equal(t, mfa != "required", allowed)
		return mfa
	}
	require.Equal(t, "none", state())
	tenantRequires := func(required bool) {
		t.Helper()
		require.NoError(t, here.db.Registry().Update(t.Context(), seed.DemoTenant, tenant.Change{RequireMFA: &required}))
	}
	tenantRequires(true)
	assert.Equal(t, "required", state())
	assert.Contains(t, there.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token}).get("detail"), "/v1/auth/mfa/enroll", "it says what to do")
	tenantRequires(false)
	assert.Equal(t, "none", state())

	role := dbtest.Value[string](t, here.db, `select role_id::text from `+here.schema()+`.user_roles where user_id = $1`, user)
	got := here.as(demoUsers["admin"], http.MethodPatch, "/v1/roles/"+role, map[string]any{"requiresMfa": true, "permissions": []string{"students:read"}})
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
	assert.Equal(t, "required", state())
	enrolled := there.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/enroll", Token: token})
	activated := here.do(call{Method: http.MethodPost, Path: "/v1/auth/mfa/activate", Token: token, Body: map[string]any{"code": codeAt(t, enrolled.get("secret").(string), exampleTime)}})
	require.Equal(t, http.StatusOK, activated.Status, "%s", activated.Raw)
	token = activated.get("token").(string)
	assert.Equal(t, "satisfied", state())
	require.Equal(t, http.StatusNoContent, here.do(call{Method: http.MethodDelete, Path: "/v1/auth/mfa", Token: token}).Status)
	assert.Equal(t, "required", state(), "who removes it must set up another one")
}

// A lost second factor: the operator removes it.
func TestMFA_anOperatorResetsALostOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.secondFactor(demoUsers["teacher"], true)
	token := h.token("teacher")
	require.NoError(t, auth.ResetMFA(t.Context(), h.db.DB, db.Tenant(seed.DemoTenant), "teacher@demo.school"))
	assert.Equal(t, http.StatusUnauthorized, h.session(token).Status, "whoever has the lost device")
	assert.Equal(t, "none", h.login().get("mfa"))
	assert.Error(t, auth.ResetMFA(t.Context(), h.db.DB, db.Tenant(seed.DemoTenant), "teacher@demo.school"), "there is none any more")
}

// What wants a factor of the last 15 minutes, for who has a second one and who has not. It is declared in the document.
func TestStepUp_sensitiveChangesWantAFreshFactor(t *testing.T) {
	t.Parallel()
	password := call{Method: http.MethodPost, Path: "/v1/auth/password", Body: map[string]any{"currentPassword": seed.DemoPassword, "newPassword": "seven chairs in the north hall"}}
	disable := call{Method: http.MethodDelete, Path: "/v1/auth/mfa"}
	enroll := call{Method: http.MethodPost, Path: "/v1/auth/mfa/enroll"}
	patch := func(user string, body map[string]any) call {
		return call{Method: http.MethodPatch, Path: "/v1/users/" + demoUsers[user], Body: body}
	}
	own, others := patch("admin", map[string]any{"email": "meera@demo.school"}), patch("teacher", map[string]any{"email": "anita@demo.school"})
	for name, c := range map[string]struct {
		call
		second, refused  bool
		password, factor time.Duration // how long ago they were given
	}{
		"own e-mail":                              {own, false, false, 14 * time.Minute, 0},
		"own e-mail, signed in long ago":          {own, false, true, 16 * time.Minute, 0},
		"another's e-mail, signed in long ago":    {others, false, true, 16 * time.Minute, 0},
		"own e-mail, factor fresh":                {own, true, false, time.Hour, 14 * time.Minute},
		"own e-mail, factor stale":                {own, true, true, 0, 16 * time.Minute},
		"another's e-mail, factor stale":          {others, true, true, 0, 16 * time.Minute},
		"a name, all stale":                       {patch("teacher", map[string]any{"lastName": "Rao"}), true, false, time.Hour, time.Hour},
		"password, signed in long ago":            {password, false, false, time.Hour, 0}, // it asks for the present one itself
		"password, factor fresh":                  {password, true, false, time.Hour, 14 * time.Minute},
		"password, factor stale":                  {password, true, true, 0, 16 * time.Minute},
		"removing the factor, fresh":              {disable, true, false, time.Hour, 14 * time.Minute},
		"removing the factor, stale":              {disable, true, true, 0, 16 * time.Minute},
		"setting up a factor":                     {enroll, false, false, 14 * time.Minute, 0},
		"setting up a factor, signed in long ago": {enroll, false, true, 16 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			if c.second {
				h.secondFactor(demoUsers["admin"], true)
			}
			c.Token = h.token("admin")
			h.db.Exec(t, `update `+h.schema()+`.sessions set password_at = now() - make_interval(secs => $1), factor_at = now() - make_interval(secs => $2)
				where ended_at is null`, c.password.Seconds(), c.factor.Seconds())
			before := h.digest()
			got := h.do(c.call)
			if !c.refused {
				assert.Less(t, got.Status, 300, "%s", got.Raw)
				return
			}
			assert.Equal(t, "/problems/fresh-factor-required", got.get("type"), "%s", got.Raw)
			assert.Contains(t, got.get("detail"), "15 minutes")
			assert.Equal(t, before, h.digest(), "something was written")
			if c.second { // it says what to do, and then it works
				c.Token = h.verify(c.Token, map[string]any{"code": exampleCode}).get("token").(string)
				assert.Less(t, h.do(c.call).Status, 300)
			}
		})
	}
}
