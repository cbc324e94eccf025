package seal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/seal"
)

func box(t *testing.T, fill byte) *seal.Box {
	t.Helper()
	b, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeySize))
	require.NoError(t, err)
	return b
}

func TestSeal_opensOnlyInItsPlaceWithItsKeyAndUnchanged(t *testing.T) {
	t.Parallel()
	sealed := box(t, 1).Seal("123412341234", "row 1")
	opened, err := box(t, 1).Open(sealed, "row 1")
	require.NoError(t, err)
	assert.Equal(t, "123412341234", opened)

	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() (string, error){
		"another place": func() (string, error) { return box(t, 1).Open(sealed, "row 2") },
		"another key":   func() (string, error) { return box(t, 2).Open(sealed, "row 1") },
		"changed":       func() (string, error) { return box(t, 1).Open(changed, "row 1") },
		"cut":           func() (string, error) { return box(t, 1).Open(sealed[:5], "row 1") },
		"empty":         func() (string, error) { return box(t, 1).Open(nil, "row 1") },
		"other version": func() (string, error) { return box(t, 1).Open(append([]byte{9}, sealed[1:]...), "row 1") },
	} {
		_, err := open()
		assert.Error(t, err, name)
	}
}

func TestSeal_equalValuesLookDifferent(t *testing.T) {
	t.Parallel()
	one, another := box(t, 1).Seal("a", "p"), box(t, 1).Seal("a", "p")
	assert.NotEqual(t, one, another)
}

func TestDigest_isEqualForEqualValuesOfOneDomainOnly(t *testing.T) {
	t.Parallel()
	b := box(t, 1)
	one, another := b.Digest("a", "d"), b.Digest("a", "d")
	assert.Equal(t, one, another)
	assert.NotEqual(t, b.Digest("a", "d"), b.Digest("a", "e"))
	assert.NotEqual(t, b.Digest("a", "d"), box(t, 2).Digest("a", "d"))
	assert.NotEqual(t, b.Digest("bc", "a"), b.Digest("c", "ab"), "domain and value cannot be shifted into each other")
}

func TestParseKey_wantsBase64Of32Bytes(t *testing.T) {
	t.Parallel()
	text, err := seal.GenerateKey()
	require.NoError(t, err)
	key, err := seal.ParseKey(text)
	require.NoError(t, err)
	assert.Len(t, key, seal.KeySize)
	for _, bad := range []string{"", "short", "AAAA", text + "x"} {
		_, err := seal.ParseKey(bad)
		assert.ErrorContains(t, err, "openssl rand")
	}
}
