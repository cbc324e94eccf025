package masklog

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// What is not looked through has nothing in it that would be found.
func TestCannotBePersonal_isRight(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, "/v1/students/:studentId": true, "127.0.0.1": true, "01a212db-6d2a-7ade-86c9-e685c001cedb": true,
		"12341234123": true, "123412341234": false, "a 1234 1234 1234": false, "a@b.example": false, "a%40b.example": false,
		"01a212db-6d2a-7ade-86c9-e685c001cedb 1": false,
	} {
		assert.Equal(t, want, cannotBePersonal(text), text)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([0-9]{0,4}[ -]?|[a-z@%. ]|%40|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9]{12}){0,8}`).Draw(t, "text")
		if cannotBePersonal(text) {
			masked := personal.ReplaceAllStringFunc(text, func(found string) string {
				if len(found) == uuidLength {
					return found
				}
				return "masked"
			})
			assert.Equal(t, text, masked)
		}
	})
}
