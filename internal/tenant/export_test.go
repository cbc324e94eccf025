package tenant

import "io/fs"

// WithFiles is the migrator of another version of this program.
func (m *Migrator) WithFiles(files fs.FS) *Migrator {
	other := *m
	other.files = files
	return &other
}
