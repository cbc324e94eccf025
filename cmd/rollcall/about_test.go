package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/version"
)

func TestVersion_saysWhichProgramThisIs(t *testing.T) {
	t.Parallel()
	out, code := run(t, "", nil, "version")
	assert.Zero(t, code)
	assert.Regexp(t, `^rollcall \S+\ncommit   \S+.*\nbuilt by go1\.\S+ for \w+/\w+\n$`, out)
	out, _ = run(t, "", nil, "version", "--json")
	var b version.Build
	require.NoError(t, json.Unmarshal([]byte(out), &b))
	assert.NotEmpty(t, b.Version)
}

func TestConfig_showsWhatIsInEffect(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=postgres://head:hunter2@db/rollcall", "ROLLCALL_ENCRYPTION_KEY=" + testKey, "ROLLCALL_DRAIN_DELAY=9s"}
	out, code := run(t, "", env, "config")
	assert.Zero(t, code, out)
	assert.Regexp(t, `DATABASE_URL +postgres://head@db/rollcall +environment`, out)
	assert.Regexp(t, `ROLLCALL_DRAIN_DELAY +9s +environment +0s to 5m`, out)
	assert.Regexp(t, `ROLLCALL_MAX_REQUESTS +64 +default +4 to 10000`, out)
	out, _ = run(t, "", env, "config", "--json")
	assert.NotContains(t, out, "hunter2")
	assert.NotContains(t, out, testKey)
	var settings []config.Setting
	require.NoError(t, json.Unmarshal([]byte(out), &settings))

	out, code = run(t, "", append(env, "ROLLCALL_JOBS=maybe", "ROLLCALL_MAX_REQUESTS=1"), "config")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "ROLLCALL_JOBS: want on or off")
	assert.Contains(t, out, "ROLLCALL_MAX_REQUESTS: want a whole number from 4 to 10000")
}

// each visits every command.
func each(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, child := range c.Commands() {
		each(child, visit)
	}
}

func TestHelp_ofEveryCommandSaysWhatItDoesAndWhatItTakes(t *testing.T) {
	t.Parallel()
	each(rootCommand(), func(c *cobra.Command) {
		assert.NotEmpty(t, c.Short, c.CommandPath())
		assert.NotRegexp(t, `\.$`, c.Short, c.CommandPath())
		takesArguments := strings.Contains(c.Use, " ")
		if takesArguments {
			assert.NotEmpty(t, c.Example, "%s takes arguments", c.CommandPath())
		}
		var out bytes.Buffer
		c.SetOut(&out)
		require.NoError(t, c.Help(), c.CommandPath())
		assert.Contains(t, out.String(), "Usage:", c.CommandPath())
	})
}

func TestCompletion_isMadeForEveryShell(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out, code := run(t, "", nil, "completion", shell)
		assert.Zero(t, code)
		assert.Contains(t, out, "rollcall", shell)
	}
	out, _ := run(t, "", nil, "__complete", "tenant", "")
	for _, name := range []string{"create", "export", "import", "erase"} {
		assert.Contains(t, out, name+"\t")
	}
	assert.Contains(t, out, ":4", "and no names of files")
}

func TestErrors_sayWhatToDo(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	unmigrated, err := url.Parse(d.URL)
	require.NoError(t, err)
	unmigrated.Path = "/postgres"
	served := func(more ...string) []string {
		return append([]string{"DATABASE_URL=" + d.URL, "ROLLCALL_ENCRYPTION_KEY=" + testKey, "ROLLCALL_ADDR=127.0.0.1:0", "ROLLCALL_DRAIN_DELAY=0s"}, more...)
	}
	require.NoError(t, d.Registry().CheckKey(t.Context(), testBox(t)))
	other, err := seal.GenerateKey()
	require.NoError(t, err)
	poor := d.Login(t, "")
	for name, c := range map[string]struct {
		env  []string
		args string
		want string
	}{
		"an address that is none":            {[]string{"DATABASE_URL=postgres://u:p w@h:x/d"}, "tenant list", "should be like postgres://user:password@host:5432/database"},
		"nobody answers":                     {[]string{"DATABASE_URL=postgres://u@127.0.0.1:1/d"}, "tenant list", "is it running, and does DATABASE_URL lead to it?"},
		"a wrong password":                   {[]string{"DATABASE_URL=" + strings.Replace(d.URL, "postgres://postgres:", "postgres://nobody:", 1)}, "tenant list", "user and password are those in DATABASE_URL"},
		"no such database":                   {[]string{"DATABASE_URL=" + strings.Replace(d.URL, "/rollcall_test", "/nosuch_test", 1)}, "tenant list", "createdb makes it"},
		"a database that is not migrated":    {[]string{"DATABASE_URL=" + unmigrated.String()}, "tenant list", "rollcall migrate up"},
		"a user who may not make a role":     {[]string{"DATABASE_URL=" + poor}, "tenant create north", "denied"},
		"an address in use":                  {served("ROLLCALL_ADDR=" + busy.Addr().String()), "serve", "is in use by another program"},
		"an address in use, for the metrics": {served("ROLLCALL_METRICS_ADDR=" + busy.Addr().String()), "serve", "ROLLCALL_METRICS_ADDR: " + busy.Addr().String() + " is in use"},
		"another key":                        {served("ROLLCALL_ENCRYPTION_KEY=" + other), "serve", "is not the key that this database is sealed with"},
		"a command that is not there":        {nil, "tenant explode", "there is no rollcall tenant explode; see rollcall tenant --help"},
		"a flag that is not there":           {nil, "tenant create --nme x", "see rollcall tenant create --help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, code := run(t, "", c.env, strings.Fields(c.args)...)
			assert.Equal(t, 1, code)
			assert.Contains(t, out, c.want)
			assert.NotContains(t, out, "goroutine")
		})
	}
}

func testBox(t *testing.T) *seal.Box {
	t.Helper()
	key, err := seal.ParseKey(testKey)
	require.NoError(t, err)
	box, err := seal.New(key)
	require.NoError(t, err)
	return box
}
