// Package gen holds what the generators write (make generate); this file is the one that they do not.
package gen

import "embed"

// Queries are the sources of package gen/db, which have the text of every query as it is sent to the server.
//
//go:embed db/*.go
var Queries embed.FS
