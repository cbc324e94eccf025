package auth

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/alexedwards/argon2id"
	"golang.org/x/sync/semaphore"
)

// passwordParams are OWASP's minimum for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
var passwordParams = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashing bounds the hashes at work, so that a storm of sign-ins takes neither all memory nor all cores.
var hashing = semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0))))

// HashPassword hashes a password with argon2id, in PHC string format. It waits for its turn.
func HashPassword(ctx context.Context, password string) (string, error) {
	if err := hashing.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("wait to hash a password: %w", err)
	}
	defer hashing.Release(1)
	hash, err := argon2id.CreateHash(password, passwordParams)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// decoy is the hash that is compared where there is no user, so that the answer takes as long as with one.
var decoy = sync.OnceValues(func() (string, error) {
	return HashPassword(context.Background(), "nobody has this password") // whoever asks first, all wait for it
})

// passwordMatches compares a password with a hash; with no hash it works as long and is false. It waits for its turn.
func passwordMatches(ctx context.Context, password string, hash *string) (bool, error) {
	against, err := decoy()
	if err != nil {
		return false, err
	}
	if hash != nil {
		against = *hash
	}
	if err := hashing.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("wait to compare a password: %w", err)
	}
	defer hashing.Release(1)
	same, err := argon2id.ComparePasswordAndHash(password, against)
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return same && hash != nil, nil
}
