package db

import (
	"context"
	"sync"
	"time"
)

const (
	sampleTimeout = 2 * time.Second
	// sampleAge is how long an answer is good for.
	sampleAge = 5 * time.Second
)

// Sample is what the registry says at the moment, for metrics: however often these are read, the database is asked once in five
// seconds. It is safe for concurrent use.
type Sample[T any] struct {
	db    *DB
	query func(ctx context.Context, q *Queries) (T, error)

	mu    sync.Mutex
	value T
	read  time.Time
}

// NewSample makes one of a query in the scope Control.
func NewSample[T any](d *DB, query func(ctx context.Context, q *Queries) (T, error)) *Sample[T] {
	return &Sample[T]{db: d, query: query}
}

// Get is the answer; none that is old when the database does not answer.
func (s *Sample[T]) Get() (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.read) < sampleAge {
		return s.value, nil
	}
	value, err := InTxValue(context.Background(), s.db, Control, Options{ReadOnly: true, Timeout: sampleTimeout}, s.query)
	if err == nil {
		s.value, s.read = value, time.Now()
	}
	return value, err
}
