package auth

import (
	"encoding/json"
	"strings"
	"sync"
	"unicode"

	"github.com/ccojocar/zxcvbn-go/data"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// commonPasswords are the most used passwords that zxcvbn knows (about 7,000, from leaks; OWASP ASVS 5.0, 6.2.4, asks for
// 3,000). They are read when the first password is set: zxcvbn's own package for them reads five lists at every start, and keeps them, which
// were half of the objects that each garbage collection had to look at.
var commonPasswords = sync.OnceValue(func() map[string]bool {
	var file struct {
		List []string `json:"list"`
	}
	if err := json.Unmarshal(data.MustAsset("data/Passwords.json"), &file); err != nil {
		panic(err) // it is part of the program
	}
	set := make(map[string]bool, len(file.List))
	for _, password := range file.List {
		set[password] = true
	}
	return set
})

// guessable reports a password that an attacker tries first: a common one, whatever its case, with digits and signs
// around it, or repeated; or one that is made the same way of what is known of the user (ASVS 5.0, 6.2.11).
func guessable(password string, known ...string) bool {
	lower := strings.ToLower(password)
	core := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, candidate := range []string{lower, period(lower), core, period(core)} {
		if commonPasswords()[candidate] {
			return true
		}
		for _, word := range known {
			if word = strings.ToLower(word); word != "" && candidate == word {
				return true
			}
		}
	}
	return false
}

// period is the shortest text that makes s by repetition; s itself when none does.
func period(s string) string {
	if i := strings.Index((s + s)[min(1, len(s)):], s); i >= 0 && i+1 < len(s) {
		return s[:i+1]
	}
	return s
}

// guessableFaults are the faults of a new password that the document cannot state.
func guessableFaults(field, password string, known ...string) []apperr.Field {
	if !guessable(password, known...) {
		return nil
	}
	return []apperr.Field{apperr.BodyField("common", "Too easy to guess; choose another one", field)}
}
