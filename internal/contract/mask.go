package contract

import (
	"strings"
	"unicode/utf8"
)

// hidden stands for what no log and no audit trail may hold any part of.
const hidden = "***"

// Mask leaves of a personal value what is enough to recognise it by, and no more: a***@e***.org of an e-mail address,
// the last two digits of a phone number, the initial of a name, nothing of anything else. kind is a value of x-pii.
func Mask(kind, value string) string {
	if value == "" {
		return ""
	}
	switch kind {
	case "email":
		return maskEmail(value)
	case "phone":
		return maskPhone(value)
	case "name":
		return initial(value) + hidden
	}
	return hidden
}

func maskEmail(value string) string {
	local, domain, ok := strings.Cut(value, "@")
	if !ok || local == "" || domain == "" {
		return hidden
	}
	masked := initial(local) + hidden + "@" + initial(domain) + hidden
	if dot := strings.LastIndexByte(domain, '.'); dot >= 0 {
		masked += domain[dot:]
	}
	return masked
}

// maskPhone keeps the last two digits of at least seven; a shorter one is not a phone number.
func maskPhone(value string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, value)
	if len(digits) < 7 {
		return hidden
	}
	return hidden + digits[len(digits)-2:]
}

func initial(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	return string(r)
}
