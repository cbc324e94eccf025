package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

func env(values map[string]string) config.Lookup {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func TestRead_hasDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(nil))
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", c.Addr)
	assert.Equal(t, ".data", c.DataDir)
	assert.InDelta(t, 1, c.RateLimitScale, 0)
	assert.Empty(t, c.TrustedProxies)
	assert.Empty(t, c.MetricsAddr)
	assert.True(t, c.Jobs)
	require.ErrorContains(t, c.RequireDatabase(), "DATABASE_URL")
	require.ErrorContains(t, c.RequireKey(), "ROLLCALL_ENCRYPTION_KEY")
}

func TestRead_namesTheVariableThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := config.Read(env(map[string]string{"ROLLCALL_ENCRYPTION_KEY": "secret but short"}))
	require.ErrorContains(t, err, "ROLLCALL_ENCRYPTION_KEY")
	assert.NotContains(t, err.Error(), "secret but short")
}

func TestRead_responsesAreValidatedWhenAskedFor(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "0": false, "1": true, "true": true} {
		c, err := config.Read(env(map[string]string{"ROLLCALL_VALIDATE_RESPONSES": value}))
		require.NoError(t, err)
		assert.Equal(t, want, c.ValidateResponses, "%q", value)
	}
	_, err := config.Read(env(map[string]string{"ROLLCALL_VALIDATE_RESPONSES": "please"}))
	require.ErrorContains(t, err, "ROLLCALL_VALIDATE_RESPONSES")
}

func TestRead_sessionLimitsAreBounded(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(map[string]string{"ROLLCALL_SESSION_IDLE": "30m"}))
	require.NoError(t, err)
	assert.Equal(t, 30*time.Minute, c.SessionIdle)
	assert.Equal(t, 12*time.Hour, c.SessionLifetime)
	for name, values := range map[string][]string{
		"ROLLCALL_SESSION_IDLE": {"4m", "25h", "soon", "-1h"}, "ROLLCALL_SESSION_LIFETIME": {"14m", "721h", "1"},
	} {
		for _, value := range values {
			_, err := config.Read(env(map[string]string{name: value}))
			require.ErrorContains(t, err, name, value)
		}
	}
}

func TestRead_trustedProxiesAreNetworksOrAddresses(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(map[string]string{"ROLLCALL_TRUSTED_PROXIES": " 10.1.2.3/8,192.168.7.1 , fd00::/8, ::1"}))
	require.NoError(t, err)
	assert.Equal(t, "[10.0.0.0/8 192.168.7.1/32 fd00::/8 ::1/128]", fmt.Sprint(c.TrustedProxies))
	for _, bad := range []string{"10.0.0.0/33", "proxy.example", "10.0.0.0/8 10.1.0.0/16", "0.0.0.0/0", "::/0"} {
		_, err := config.Read(env(map[string]string{"ROLLCALL_TRUSTED_PROXIES": bad}))
		require.ErrorContains(t, err, "ROLLCALL_TRUSTED_PROXIES", bad)
	}
}

func TestRead_webhooksMayBeLedToNamedNetworks(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(map[string]string{"ROLLCALL_WEBHOOK_ALLOW": "10.20.0.0/16, 192.168.7.9"}))
	require.NoError(t, err)
	assert.Equal(t, "[10.20.0.0/16 192.168.7.9/32]", fmt.Sprint(c.WebhookAllow))
	for _, bad := range []string{"everything", "0.0.0.0/0", "::/0"} {
		_, err := config.Read(env(map[string]string{"ROLLCALL_WEBHOOK_ALLOW": bad}))
		require.ErrorContains(t, err, "ROLLCALL_WEBHOOK_ALLOW", bad)
	}
}

func TestRead_theScaleOfRateLimitsIsBounded(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(map[string]string{"ROLLCALL_RATE_LIMIT_SCALE": "2.5"}))
	require.NoError(t, err)
	assert.InDelta(t, 2.5, c.RateLimitScale, 0)
	for _, bad := range []string{"0", "-1", "NaN", "Inf", "lots", "0.01"} {
		_, err := config.Read(env(map[string]string{"ROLLCALL_RATE_LIMIT_SCALE": bad}))
		require.ErrorContains(t, err, "ROLLCALL_RATE_LIMIT_SCALE", bad)
	}
}

func TestRead_jobsAreOnOrOff(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(map[string]string{"ROLLCALL_JOBS": "off"}))
	require.NoError(t, err)
	assert.False(t, c.Jobs)
	_, err = config.Read(env(map[string]string{"ROLLCALL_JOBS": "perhaps"}))
	require.ErrorContains(t, err, "ROLLCALL_JOBS")
}

func TestSecret_neverPrints(t *testing.T) {
	t.Parallel()
	key, err := seal.GenerateKey()
	require.NoError(t, err)
	c, err := config.Read(env(map[string]string{"ROLLCALL_ENCRYPTION_KEY": key, "DATABASE_URL": "postgres://u:hunter2@h/d", "REDIS_URL": "redis://u:hunter2@h"}))
	require.NoError(t, err)
	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	for _, printed := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), string(asJSON), c.DatabaseURL.LogValue().String()} {
		assert.NotContains(t, printed, key)
		assert.NotContains(t, printed, "hunter2")
	}
	assert.Contains(t, c.DatabaseURL.Reveal(), "hunter2")
}

func TestRead_boundsWhatIsDoneAtOnceAndHowLongItMayTake(t *testing.T) {
	t.Parallel()
	c, err := config.Read(env(map[string]string{"DATABASE_URL": "postgres://a", "ROLLCALL_MAX_REQUESTS": "4"}))
	require.NoError(t, err)
	assert.Equal(t, c.DatabaseURL, c.DirectURL, "without a pooler they are one")
	assert.Equal(t, 4, c.TenantRequests, "no more than there are in all")
	assert.Equal(t, []any{int32(20), 5 * time.Second, 2 * time.Second, 3 * time.Second, 20 * time.Second, "auto"},
		[]any{c.MaxConns, c.DatabaseTimeout, c.LockTimeout, c.DrainDelay, c.ShutdownTimeout, c.Pooler})
	for name, values := range map[string][]string{
		"ROLLCALL_DATABASE_CONNECTIONS": {"1", "1001", "many"}, "ROLLCALL_DATABASE_TENANTS": {"0", "100001"}, "ROLLCALL_DATABASE_TIMEOUT": {"0s", "61s"},
		"ROLLCALL_DATABASE_LOCK_TIMEOUT": {"1ms", "1m"}, "ROLLCALL_MAX_REQUESTS": {"3", "10001"}, "ROLLCALL_MAX_TENANT_REQUESTS": {"0", "65"},
		"ROLLCALL_DRAIN_DELAY": {"-1s", "6m"}, "ROLLCALL_SHUTDOWN_TIMEOUT": {"0s", "11m"}, "DATABASE_POOLER": {"pgpool", "PgBouncer"},
	} {
		for _, value := range values {
			_, err := config.Read(env(map[string]string{name: value}))
			require.ErrorContains(t, err, name, value)
		}
	}
}

func TestRead_everyVariableIsOnThePageForOperators(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operate/configuration.md")
	require.NoError(t, err)
	rows := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|(.*?)\\|(.*?)\\|").FindAllStringSubmatch(string(page), -1) {
		rows[row[1]] = []string{plain(row[2]), plain(row[3])}
	}
	settings := config.Describe(env(nil))
	assert.Len(t, rows, len(settings))
	for _, s := range settings {
		row := rows[s.Name]
		require.NotNil(t, row, "%s is not on the page", s.Name)
		if s.Name != "DATABASE_DIRECT_URL" && s.Name != "ROLLCALL_MAX_TENANT_REQUESTS" { // which depend on another one
			assert.Equal(t, []string{s.Default, plain(s.Bounds)}, row, s.Name)
		}
	}
}

// plain leaves out how a list is set.
func plain(cell string) string {
	return strings.TrimSpace(strings.NewReplacer("`", "", ",", "").Replace(cell))
}

func TestDescribe_saysWhatIsInEffectWithoutSecrets(t *testing.T) {
	t.Parallel()
	key, err := seal.GenerateKey()
	require.NoError(t, err)
	all := map[string]config.Setting{}
	for _, s := range config.Describe(env(map[string]string{
		"ROLLCALL_ENCRYPTION_KEY": key, "DATABASE_URL": "postgres://head:hunter2@db:5432/rollcall?sslpassword=hunter2", "REDIS_URL": "redis://:hunter2@redis:6379/1",
		"DATABASE_REPLICA_URL": "host=replica password=hunter2", "ROLLCALL_DRAIN_DELAY": "5s", "ROLLCALL_MAX_REQUESTS": "9",
	})) {
		all[s.Name] = s
	}
	assert.NotContains(t, fmt.Sprint(all), "hunter2")
	assert.NotContains(t, fmt.Sprint(all), key)
	assert.Equal(t, "postgres://head@db:5432/rollcall", all["DATABASE_URL"].Value)
	assert.Equal(t, "postgres://head@db:5432/rollcall", all["DATABASE_DIRECT_URL"].Value)
	assert.False(t, all["DATABASE_DIRECT_URL"].FromEnvironment)
	assert.Equal(t, "redis://redis:6379/1", all["REDIS_URL"].Value)
	assert.Equal(t, "[secret]", all["DATABASE_REPLICA_URL"].Value)
	assert.Equal(t, config.Setting{Name: "ROLLCALL_DRAIN_DELAY", Value: "5s", Default: "3s", Bounds: "0s to 5m", FromEnvironment: true}, all["ROLLCALL_DRAIN_DELAY"])
	assert.Equal(t, "1 to 9", all["ROLLCALL_MAX_TENANT_REQUESTS"].Bounds)
}

func TestRead_tellsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Read(env(map[string]string{"ROLLCALL_JOBS": "perhaps", "ROLLCALL_DRAIN_DELAY": "soon"}))
	require.ErrorContains(t, err, "ROLLCALL_JOBS: want on or off")
	require.ErrorContains(t, err, "ROLLCALL_DRAIN_DELAY: want a time span from 0s to 5m, such as 3s")
}
