package large

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// unsealedEvents are so young that they wait for their place in the chain.
const unsealedEvents = 100

func (g generator) auditTables() []table {
	return []table{
		{"audit_events", []string{
			"id", "recorded_at", "action", "actor_kind", "actor_id", "remote_address", "request_id", "resource_type", "resource_id", "change", "after", "salt",
		}, g.events},
		{"audit_unsealed", []string{"event_id"}, g.waiting},
	}
}

// eventTime of the admission of student i: ids are in its order.
func eventTime(i int) time.Time { return epoch.Add(time.Duration(i) * 10 * time.Second) }

// eventID is a UUIDv7 of the event's time.
func eventID(i int) uuid.UUID {
	id := madeID(requestKind, i)
	for place, milliseconds := 5, eventTime(i).UnixMilli(); place >= 0; place-- {
		id[place] = byte(milliseconds)
		milliseconds >>= 8
	}
	return id
}

// events are the admissions of the students, by the registrars.
func (g generator) events(yield func([]any) bool) {
	for i := range g.Students {
		s := g.student(i)
		after := fmt.Sprintf(`{"firstName": "%.1s***", "lastName": "%.1s***"}`, s.first, s.last)
		if !yield([]any{
			eventID(i), eventTime(i), "admitStudent", "user", madeID(staffKind, registrarOf(s.school)), fmt.Sprintf("192.0.2.%d", s.school%250),
			madeID(requestKind, i).String(), "student", s.id, "create", after, madeID(requestKind, i),
		}) {
			return
		}
	}
}

// waiting are all events, until Fill has sealed them.
func (g generator) waiting(yield func([]any) bool) {
	for i := range g.Students {
		if !yield([]any{eventID(i)}) {
			return
		}
	}
}
