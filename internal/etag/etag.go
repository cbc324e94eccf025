// Package etag is the versions of rows as entity tags: what If-Match and If-None-Match are compared with (RFC 9110).
package etag

import (
	"strconv"
	"strings"
)

// Of is the strong tag of a version.
func Of(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// MatchesStrongly is If-Match (RFC 9110, 13.1.1): a weak tag never matches.
func MatchesStrongly(header, tag string) bool {
	return matches(header, func(candidate string) bool { return candidate == tag })
}

// MatchesWeakly is If-None-Match (RFC 9110, 13.1.2): weak or strong, the version counts.
func MatchesWeakly(header, tag string) bool {
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
