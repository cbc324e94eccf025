package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// place is a place of the chain with the event that it was given to.
type place gendb.SealedAuditEventsRow

// genesis is the hash before the first place.
var genesis = make([]byte, sha256.Size)

// contentDigest is the digest of salt, before and after.
func (p place) contentDigest() []byte {
	var b []byte
	if p.Salt != nil {
		b = append(b, p.Salt[:]...)
	}
	return sum(appendField(appendField(b, p.Before), p.After))
}

// eventDigest is the digest of all else that the event says, with the digest of its content in the content's place.
func (p place) eventDigest() []byte {
	b := append([]byte(nil), p.EventID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.RecordedAt.UnixMicro()))
	for _, value := range []*string{
		p.Action, p.ActorKind, text(p.ActorID), text(p.SessionID), p.RemoteAddress, p.RequestID, p.ResourceType, text(p.ResourceID), p.Change,
	} {
		if value == nil {
			b = appendField(b, nil)
		} else {
			b = appendField(b, []byte(*value))
		}
	}
	return sum(append(b, p.ContentDigest...))
}

// chainHash is the hash of the place that follows one with this hash.
func (p place) chainHash(previous []byte) []byte {
	b := binary.BigEndian.AppendUint64(append([]byte(nil), previous...), uint64(p.Position))
	return sum(append(append(b, p.EventID[:]...), p.Digest...))
}

// appendField appends a value in a form that cannot be mistaken for others: its length, and itself. nil is no value.
func appendField(b, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(b, 1<<32-1)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

func text(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	return new(id.String())
}

func sum(b []byte) []byte {
	digest := sha256.Sum256(b)
	return digest[:]
}

// FaultKind says what is wrong with a trail.
type FaultKind string

// The kinds, as the document has them.
const (
	Edited    FaultKind = "edited"    // an event says something else than when it was sealed
	Deleted   FaultKind = "deleted"   // an event, or a place, is gone
	Reordered FaultKind = "reordered" // another event stands in a place than the one it was given to
	Broken    FaultKind = "broken"    // a place is not the one that followed the one before it
	Truncated FaultKind = "truncated" // the chain ends before a place that it had
	Rewritten FaultKind = "rewritten" // a place has another hash than it had: it, or one before, was made anew
	Unsealed  FaultKind = "unsealed"  // an event has no place and waits for none
)

// Fault is the first thing that is wrong.
type Fault struct {
	Kind     FaultKind `json:"kind"`
	Position int64     `json:"position,omitzero"` // 0: not about a place
	EventID  uuid.UUID `json:"eventId,omitzero"`
	Message  string    `json:"message"` // for people
}

func faultAt(kind FaultKind, position int64, event uuid.UUID, message string) *Fault {
	return &Fault{Kind: kind, Position: position, EventID: event, Message: message}
}

// follows reports whether the place is the one that was made behind a place with this hash.
func (p place) follows(previous []byte) bool {
	return bytes.Equal(p.Hash, p.chainHash(previous))
}

// eventFault is what is wrong with the event of a place that itself is good; nil when nothing is. What was erased is not
// there to be compared; its digest is.
func (p place) eventFault() *Fault {
	switch {
	case !p.IsThere:
		return faultAt(Deleted, p.Position, p.EventID, "The event is gone.")
	case !p.IsErased && !bytes.Equal(p.contentDigest(), p.ContentDigest):
		return faultAt(Edited, p.Position, p.EventID, "What the event says was before or after is not what it said when it was sealed.")
	case !bytes.Equal(p.eventDigest(), p.Digest):
		return faultAt(Edited, p.Position, p.EventID, "The event is not what it was when it was sealed.")
	}
	return nil
}

var errHead = errors.New("a head is POSITION:HASH, as the log has it")

// Head is a place of a chain by which it is recognised. The log has the last one whenever the chain grew.
type Head struct {
	Position int64
	Hash     []byte
}

// String is POSITION:HASH, the hash in hexadecimal digits, as it stands in the log.
func (h Head) String() string { return fmt.Sprintf("%d:%x", h.Position, h.Hash) }

// ParseHead reads POSITION:HASH.
func ParseHead(s string) (Head, error) {
	var h Head
	position, hash, _ := strings.Cut(s, ":")
	h.Position, _ = strconv.ParseInt(position, 10, 64)
	h.Hash, _ = hex.DecodeString(hash)
	if h.Position < 1 || len(h.Hash) != len(genesis) {
		return Head{}, errHead
	}
	return h, nil
}

// fault holds a place against the head that is known.
func (h Head) fault(p place) *Fault {
	if h.Position != p.Position || bytes.Equal(h.Hash, p.Hash) {
		return nil
	}
	return faultAt(Rewritten, p.Position, p.EventID, "This place had another hash: the chain was made anew up to here.")
}
