package contract_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

func TestPersonalNames_areThoseThatTheDocumentMarks(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	names := c.PersonalNames()
	for name, kind := range map[string]string{
		"email": "email", "firstName": "name", "phone": "phone", "aadharNumber": "national-id", "dateOfBirth": "birth",
		"address": "address", "password": "secret", "newPassword": "secret", "token": "secret",
	} {
		assert.Equal(t, kind, names[name], name)
	}
	for _, name := range []string{"id", "status", "tenant", "admissionNumber"} {
		assert.NotContains(t, names, name)
	}
}
