package contract_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

const listDeprecated = listThings + "\n      deprecated: true"

var deprecationRules = []lintTest{
	{"is complete", replace(listThings, listDeprecated+"\n      x-deprecated-since: 2026-11-01\n      x-sunset: 2027-05-01"), nil},
	{"has no dates", replace(listThings, listDeprecated), []string{
		"listThings: deprecated; say since when (x-deprecated-since) and until when it stays (x-sunset)",
	}},
	{"has no end", replace(listThings, listDeprecated+"\n      x-deprecated-since: 2026-11-01"), []string{
		"listThings: deprecated; say since when (x-deprecated-since) and until when it stays (x-sunset)",
	}},
	{"ends before it begins", replace(listThings, listDeprecated+"\n      x-deprecated-since: 2026-11-01\n      x-sunset: 2026-11-01"), []string{
		"listThings: x-sunset; a day after x-deprecated-since",
	}},
	{"is none", replace(listThings, listThings+"\n      x-sunset: 2027-05-01"), []string{
		"listThings: x-deprecated-since, x-sunset; only what is deprecated: true has them",
	}},
}

func TestDeprecation_isAnnouncedInTheFormsOfItsStandards(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/clean.yaml")
	require.NoError(t, err)
	c, err := contract.Compile([]byte(deprecationRules[0].mutate(t, string(text))))
	require.NoError(t, err)
	header := http.Header{}
	c.Operations["listThings"].Deprecation.Announce(header)
	assert.Equal(t, http.Header{"Deprecation": {"@1793491200"}, "Sunset": {"Sat, 01 May 2027 00:00:00 GMT"}}, header)

	header = http.Header{}
	c.Operations["putThing"].Deprecation.Announce(header)
	assert.Empty(t, header, "what is not deprecated says nothing")
}

func TestDeprecation_aDateThatIsNoneStopsTheStart(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/clean.yaml")
	require.NoError(t, err)
	for _, dates := range []string{"x-deprecated-since: soon\n      x-sunset: 2027-05-01", "x-deprecated-since: 2026-11-01\n      x-sunset: 2027-02-30"} {
		_, err = contract.Compile([]byte(replace(listThings, listDeprecated+"\n      "+dates)(t, string(text))))
		require.ErrorContains(t, err, "listThings: x-")
	}
}
