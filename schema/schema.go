// Package schema holds the migrations, in order: control for the registry of tenants, tenant for what every tenant's
// own schema contains. sqlc reads the same files, so a query that does not fit the tables does not compile.
//
// The files are run by internal/tenant with goose. In tenant files tables are named without a schema: the connection's
// search_path says whose they are.
package schema

import "embed"

// Files are the migrations, in the folders control and tenant.
//
//go:embed control/*.sql tenant/*.sql
var Files embed.FS
