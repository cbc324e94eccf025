package etag_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/etag"
)

func TestTags_matchAsRFC9110Says(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct{ strong, weak bool }{
		`"3"`: {true, true}, `W/"3"`: {false, true}, `*`: {true, true}, `"2", "3"`: {true, true}, `"2",W/"3"`: {false, true},
		`"33"`: {}, `3`: {}, ``: {}, `"2"`: {},
	} {
		err := etag.Require(&header, 3)
		if want.strong {
			assert.NoError(t, err, "If-Match: %s", header)
		} else {
			assert.Equal(t, apperr.PreconditionFailed, apperr.KindOf(err), "If-Match: %s", header)
		}
		assert.Equal(t, want.weak, etag.IsCurrent(&header, 3), "If-None-Match: %s", header)
	}
}

func TestTags_withoutAHeaderThereIsNoCondition(t *testing.T) {
	t.Parallel()
	assert.NoError(t, etag.Require(nil, 3))
	assert.False(t, etag.IsCurrent(nil, 3))
	assert.Equal(t, `"3"`, etag.Of(3))
}
