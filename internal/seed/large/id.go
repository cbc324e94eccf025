package large

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// kind numbers the tables that have made-up ids.
type kind uint16

const (
	institutionKind kind = iota + 1
	yearKind
	classKind
	sectionKind
	staffKind
	studentUserKind
	guardianUserKind
	studentKind
	enrollmentKind
	guardianKind
	assignmentKind
	sessionKind
	subjectKind
	requestKind
	examKind
	paperKind
	publicationKind
	webhookKind
	outboxKind
	deliveryKind
)

// epoch is the time in every made-up id: the first day of the current year.
var epoch = time.Date(currentYear, time.April, 1, 0, 0, 0, 0, time.UTC)

// currentYear is the year in which the current academic year begins.
const currentYear = 2026

// idPrefix is how the text of every made-up id begins, and no other's: a UUIDv7 of that very millisecond.
var idPrefix = madeID(0, 0).String()[:13]

// madeID is the n-th id of a table: a UUIDv7 (RFC 9562, 5.7) with a fixed time, the table in rand_a and n in rand_b.
func madeID(of kind, n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(epoch.UnixMilli())<<16|7<<12|uint64(of))
	binary.BigEndian.PutUint64(id[8:], 1<<63|uint64(n))
	return id
}

// chance is the source of randomness of one row: it depends on nothing but the row's place.
func chance(of kind, n int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(of), uint64(n))) //nolint:gosec // repeatable on purpose
}

// pull is iter.Pull for a plain function.
func pull(rows func(yield func([]any) bool)) (next func() ([]any, bool), stop func()) {
	return iter.Pull(iter.Seq[[]any](rows))
}
