// Package queries holds the SQL that gen/db is generated from, one file per tag, for tools that read what the generated code
// does not keep: names of parameters, and comments (internal/plans).
package queries

import "embed"

// Files are the queries.
//
//go:embed *.sql
var Files embed.FS
