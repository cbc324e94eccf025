package contract

import (
	"errors"
	"net/mail"
	"strings"
	"time"
	_ "time/tzdata" // the names are known also where the machine has no database of them

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// formats are the string formats that kin-openapi leaves unchecked, or checks otherwise than the handler's types do: a
// leap second is a time to it and not to Go. date it checks itself, the days of the month included.
var formats = map[string]openapi3.StringFormatValidator{
	"uuid":      openapi3.NewCallbackValidator(checkUUID),
	"email":     openapi3.NewCallbackValidator(checkEmail),
	"date-time": openapi3.NewCallbackValidator(checkTime),
	"time-zone": openapi3.NewCallbackValidator(checkTimeZone),
}

var (
	errNotUUID  = errors.New("not a UUID")
	errNotEmail = errors.New("not an e-mail address")
	errNotZone  = errors.New("not a time zone")
)

// checkTime takes what time.Time takes from JSON, which is strict about RFC 3339.
func checkTime(s string) error {
	var t time.Time
	return t.UnmarshalText([]byte(s))
}

// checkTimeZone takes the names of the IANA time zone database that Go knows; its own two, for UTC and for the machine's zone,
// are none.
func checkTimeZone(s string) error {
	if s == "" || s == "Local" {
		return errNotZone
	}
	_, err := time.LoadLocation(s)
	return err
}

// checkUUID takes the 36-character form only; uuid.Parse knows braces and urn: as well.
func checkUUID(s string) error {
	if len(s) != 36 || uuid.Validate(s) != nil {
		return errNotUUID
	}
	return nil
}

// checkEmail takes a bare address (RFC 5322 addr-spec) at a domain with a dot; no display name, comment, quoted local
// part or address literal, which no school means when it types one.
func checkEmail(s string) error {
	if strings.ContainsAny(s, `"()[]\ `) || strings.IndexByte(s, '@') < 0 {
		return errNotEmail
	}
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s || address.Name != "" {
		return errNotEmail
	}
	local, domain, _ := strings.Cut(s, "@")
	if len(local) > 64 || !isDomain(domain) {
		return errNotEmail
	}
	return nil
}

// isDomain checks the shape of a host name (RFC 1035 labels; letters of any script, for internationalised names).
func isDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 || len(domain) > 253 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsAny(label, "_!#$%&'*+/=?^`{|}~") {
			return false
		}
	}
	return true
}
