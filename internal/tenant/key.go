package tenant

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// ErrOtherKey is a key that is not the one that the installation's values are sealed with.
var ErrOtherKey = errors.New("ROLLCALL_ENCRYPTION_KEY is not the key that this database is sealed with; set the one that it was first served with")

// KeyDigest tells keys apart and says nothing of them. It is 32 bytes long.
func KeyDigest(box *seal.Box) []byte { return box.Digest("", "installation key") }

// CheckKey returns ErrOtherKey for another key than that of the first call.
func (r *Registry) CheckKey(ctx context.Context, box *seal.Box) error {
	mine := KeyDigest(box)
	first, err := db.InTxValue(ctx, r.db, db.Control, db.Options{}, func(ctx context.Context, q *db.Queries) ([]byte, error) {
		return q.NoteKey(ctx, mine)
	})
	if err != nil {
		return fmt.Errorf("look which key the installation has: %w", err)
	}
	if !bytes.Equal(first, mine) {
		return ErrOtherKey
	}
	return nil
}
