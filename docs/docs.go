// Package docs holds the pages that the service itself serves, so that there is one text for the repository and for
// whoever follows a link in an answer.
package docs

import _ "embed"

// Problems is problems.md: the kinds of failure, one row each, and what their errors say.
//
//go:embed problems.md
var Problems string
