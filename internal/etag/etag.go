// Package etag is the conditional part of HTTP (RFC 9110, 13.1) for what has a version: its strong entity tag, and whether
// If-Match or If-None-Match name it.
package etag

import (
	"strconv"
	"strings"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// Of is the strong tag of a version.
func Of(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// Require is nil when there is no If-Match, or one that names the version; else it is PreconditionFailed.
func Require(ifMatch *string, version int64) error {
	if ifMatch == nil || matchesStrongly(*ifMatch, Of(version)) {
		return nil
	}
	return apperr.New(apperr.PreconditionFailed, "It has changed since it was read. Read it again.")
}

// IsCurrent is whether If-None-Match names the version, so that nothing need be sent.
func IsCurrent(ifNoneMatch *string, version int64) bool {
	return ifNoneMatch != nil && matchesWeakly(*ifNoneMatch, Of(version))
}

// matchesStrongly is If-Match (RFC 9110, 13.1.1): a weak tag never matches.
func matchesStrongly(header, tag string) bool {
	return matches(header, func(candidate string) bool { return candidate == tag })
}

// matchesWeakly is If-None-Match (RFC 9110, 13.1.2): weak or strong, the version counts.
func matchesWeakly(header, tag string) bool {
	return matches(header, func(candidate string) bool { return strings.TrimPrefix(candidate, "W/") == tag })
}

// matches reads a list of tags. Ours hold no comma, so a list splits at commas.
func matches(header string, same func(string) bool) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || same(candidate) {
			return true
		}
	}
	return false
}
