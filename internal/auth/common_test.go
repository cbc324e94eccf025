package auth

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestGuessable_commonPasswordsInAllTheirDresses(t *testing.T) {
	t.Parallel()
	known := Principal{Email: "meera.iyer@demo.school", FirstName: "Meera", LastName: "Iyer"}.known()
	assert.GreaterOrEqual(t, len(commonPasswords()), 3000, "OWASP ASVS 5.0, 6.2.4")
	for password, want := range map[string]bool{
		"password": true, "PASSWORD": true, "password1234": true, "Password2026!": true, "!!qwerty!!2026": true, "123456123456": true,
		"passwordpassword": true, "meera.iyer@demo.school": true, "Meera Iyer 2026!": true, "meerameerameera": true,
		"seven chairs in the north hall": false, "rollcall demo 2026": false, "48291739201847": false, "डेढ़ सौ कुर्सियाँ": false,
		"🦊🦊🦉🦉🦊🦉🦉🦉🦊🦊🦊🦉": false, "": false,
	} {
		assert.Equal(t, want, guessable(password, known...), password)
	}
}

func TestPeriod_isTheShortestRepetition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "a": "a", "aaaa": "a", "abab": "ab", "aba": "aba", "abcabcabc": "abc"} {
		assert.Equal(t, want, period(text))
	}
}
