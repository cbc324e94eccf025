package etag_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/internal/etag"
)

func TestTags_matchAsRFC9110Says(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct{ strong, weak bool }{
		`"3"`: {true, true}, `W/"3"`: {false, true}, `*`: {true, true}, `"2", "3"`: {true, true}, `"2",W/"3"`: {false, true},
		`"33"`: {}, `3`: {}, ``: {}, `"2"`: {},
	} {
		assert.Equal(t, want.strong, etag.MatchesStrongly(header, etag.Of(3)), "If-Match: %s", header)
		assert.Equal(t, want.weak, etag.MatchesWeakly(header, etag.Of(3)), "If-None-Match: %s", header)
	}
}
