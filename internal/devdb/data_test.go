package devdb

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fmtPID is a pid file with another process in its first line.
func fmtPID(pid int, rest []byte) []byte { return fmt.Appendf(nil, "%d\n%s", pid, rest) }

// foreignHome makes a home with one file in its data directory.
func foreignHome(t *testing.T, name, content string) (dir, file string) {
	t.Helper()
	dir = openDir(t)
	service, err := serviceAccount()
	require.NoError(t, err)
	home := filepath.Join(dir, "postgres")
	file = filepath.Join(home, "data", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	for _, path := range []string{home, filepath.Dir(file), file} {
		require.NoError(t, handOver(path, service))
	}
	return dir, file
}

func TestStart_refusesDataOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir, file := foreignHome(t, "PG_VERSION", "11\n")
	_, err := Start(t.Context(), Config{Dir: dir})
	require.ErrorContains(t, err, "made by PostgreSQL 11")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "11\n", string(content))
}

func TestStart_refusesWhatIsNoData(t *testing.T) {
	t.Parallel()
	dir, file := foreignHome(t, "thesis.txt", "precious")
	_, err := Start(t.Context(), Config{Dir: dir})
	require.ErrorContains(t, err, "move it away")
	assert.FileExists(t, file)
}

func TestStart_refusesDataThatRootOwns(t *testing.T) {
	t.Parallel()
	if !currentAccount().isRoot() {
		t.Skip("needs root")
	}
	dir, file := foreignHome(t, "PG_VERSION", "15\n")
	require.NoError(t, os.Chown(filepath.Join(dir, "postgres"), 0, 0))
	_, err := Start(t.Context(), Config{Dir: dir})
	require.ErrorContains(t, err, "chown -R")
	assert.FileExists(t, file)
}

// fakeInstallation makes a directory bin with empty programs.
func fakeInstallation(t *testing.T, programs ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for _, program := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), nil, 0o755))
	}
	return dir
}

func TestFindInstallations(t *testing.T) {
	t.Parallel()
	server := []string{"initdb", "pg_ctl", "postgres"}
	old, v15, v17, broken := fakeInstallation(t, server...), fakeInstallation(t, server...),
		fakeInstallation(t, server...), fakeInstallation(t, server...)
	clientOnly := fakeInstallation(t, "pg_ctl")
	versions := map[string]string{
		old: "postgres (PostgreSQL) 9.6.24", v15: "postgres (PostgreSQL) 15.4 (Debian 15.4-1)",
		v17: "postgres (PostgreSQL) 17beta1", broken: "cannot execute", clientOnly: "postgres (PostgreSQL) 18.0",
	}
	dirs := append(slices.Collect(maps.Keys(versions)), "/nonexistent/bin")
	found := findInstallations(dirs, func(program string) (string, error) { return versions[filepath.Dir(program)], nil })
	assert.Equal(t, []installation{{filepath.Dir(v17), 17}, {filepath.Dir(v15), 15}}, found)
}

func TestChooseInstallation(t *testing.T) {
	t.Parallel()
	local := []installation{{"/17", 17}, {"/15", 15}}
	for name, tc := range map[string]struct {
		found     []installation
		dataMajor int
		want      installation
		err       string
	}{
		"highest for new data":            {local, 0, local[0], ""},
		"the data's own":                  {local, 15, local[1], ""},
		"none for the data":               {local, 16, installation{}, "made by PostgreSQL 16"},
		"download for new data":           {nil, 0, installation{"", defaultDownload}, ""},
		"download for the data":           {nil, 16, installation{"", 16}, ""},
		"no download for data that old":   {nil, 12, installation{}, "made by PostgreSQL 12"},
		"nothing downloaded beside local": {local, 18, installation{}, "made by PostgreSQL 18"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := chooseInstallation(tc.found, tc.dataMajor)
			assert.Equal(t, tc.want, got)
			if tc.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.err)
		})
	}
}

func TestExplain_noDownload(t *testing.T) {
	t.Parallel()
	c := newCluster(childConfig{Home: t.TempDir()})
	c.downloaded = "somewhere"
	err := c.explain(errors.New("unable to connect"), "")
	require.ErrorIs(t, err, errNoPostgres)
	require.ErrorContains(t, err, "unable to connect")
}

func TestRunChild_isForeign(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]bool{
		"PGOPTIONS=-c x=y": true, "LC_ALL=de_DE": true, "ROLLCALL_SECRET=x": true, "PATH=/bin": false, "https_proxy=x": false,
	} {
		assert.Equal(t, want, isForeign(variable), variable)
	}
}
