package contract_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestMask_leavesEnoughToRecogniseAndNoMore(t *testing.T) {
	t.Parallel()
	tests := []struct{ kind, value, want string }{
		{"email", "asha.verma@example.org", "a***@e***.org"},
		{"email", "a@b", "a***@b***"},
		{"email", "no address", "***"},
		{"email", "@example.org", "***"},
		{"phone", "+91 98450 00017", "***17"},
		{"phone", "12-34", "***"},
		{"name", "Asha", "A***"},
		{"name", "Émilie", "É***"},
		{"name", "", ""},
		{"birth", "2016-02-29", "***"},
		{"address", "12 Temple Road", "***"},
		{"national-id", "999900000001", "***"},
		{"secret", "rc1.something", "***"},
		{"a kind of tomorrow", "value", "***"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, contract.Mask(tt.kind, tt.value))
		})
	}
}
