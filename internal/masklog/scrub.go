package masklog

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// personal finds what may be personal in a text: an e-mail address, or twelve digits, also in groups of four. What looks
// like a UUID comes first and is left alone: its last part may be twelve digits.
var personal = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b` +
	`|[^\s@"'<>()\[\]{},;:=|\\/]+(?:@|%40)[^\s@"'<>()\[\]{},;:=|\\/]+` +
	`|\b\d{4}[ -]?\d{4}[ -]?\d{4}\b`)

// databaseError is an error of PostgreSQL as pgx writes it.
var databaseError = regexp.MustCompile(`(?s)(ERROR|FATAL|PANIC): (.*?) \(SQLSTATE (\w{5})\)`)

// speakingClasses are the classes of SQLSTATE whose messages name tables, constraints and statements of ours, never a
// value: connection, feature, integrity, transaction, roles, names, concurrency, syntax, resources, limits, state, operator,
// system. Others, such as 22 (data exception), quote what could not be stored.
var speakingClasses = []string{"08", "0A", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"}

// scrub masks what looks personal in a text.
func scrub(s string) string {
	if strings.Contains(s, "SQLSTATE") {
		s = databaseError.ReplaceAllStringFunc(s, withoutValues)
	}
	if cannotBePersonal(s) {
		return s
	}
	return personal.ReplaceAllStringFunc(s, func(found string) string {
		switch {
		case strings.ContainsRune(found, '@'):
			return contract.Mask("email", found)
		case strings.Contains(found, "%40"):
			return contract.Mask("secret", found)
		case len(found) == uuidLength:
			return found
		}
		return contract.Mask("national-id", found)
	})
}

// cannotBePersonal is true of most texts of a log, for which personal would look in vain: a UUID, and what has neither twelve digits nor the
// sign of an address.
func cannotBePersonal(s string) bool {
	if len(s) == uuidLength && uuid.Validate(s) == nil {
		return true
	}
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '@' || c == '%':
			return false
		case c >= '0' && c <= '9':
			digits++
		}
	}
	return digits < nationalIDDigits
}

const (
	uuidLength       = len("00000000-0000-0000-0000-000000000000")
	nationalIDDigits = 12
)

// withoutValues leaves out a message that may quote a value.
func withoutValues(text string) string {
	parts := databaseError.FindStringSubmatch(text)
	if slices.Contains(speakingClasses, parts[3][:2]) {
		return text
	}
	return parts[1] + ": (message left out) (SQLSTATE " + parts[3] + ")"
}
