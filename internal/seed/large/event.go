package large

import (
	"encoding/json"
	"fmt"
	"time"
)

// eventTables have what the service keeps for other systems and for clients that try again.
func (g generator) eventTables() []table {
	return []table{
		{"webhooks", []string{"id", "url", "events", "secret", "paused_until", "created_at", "updated_at"}, g.webhooks},
		{"outbox_events", []string{"id", "position", "type", "subject_id", "data", "created_at"}, g.outboxEvents},
		{"webhook_deliveries", []string{
			"id", "webhook_id", "event_id", "subject_id", "position", "status", "attempts", "next_attempt_at", "attempted_at", "delivered_at", "created_at",
		}, g.deliveries},
		{"idempotency_keys", []string{"user_id", "key_digest", "request_digest", "response", "created_at"}, g.keys},
	}
}

// outbox is how many events there are: of the last admissions.
func (g generator) outbox() int { return min(g.Students, 100+g.Students/20) }

// pendingDeliveries are those of the last events, to the first webhook.
const pendingDeliveries = 50

const webhooks = 2

func (g generator) webhooks(yield func([]any) bool) {
	for n := range webhooks + 1 { // the last one is new, and has got nothing yet
		url := fmt.Sprintf("https://receiver-%d.example/hook", n+1)
		if !yield([]any{madeID(webhookKind, n), url, []string{"student.admitted"}, []byte("sealed for nobody"), epoch, epoch, epoch}) {
			return
		}
	}
}

func (g generator) outboxEvents(yield func([]any) bool) {
	for n := range g.outbox() {
		if !yield([]any{madeID(outboxKind, n), n + 1, "student.admitted", madeID(studentKind, n), json.RawMessage(`{}`), eventTime(n)}) {
			return
		}
	}
}

func (g generator) deliveries(yield func([]any) bool) {
	for n := range g.outbox() * webhooks {
		event, hook, at := n/webhooks, n%webhooks, eventTime(n/webhooks)
		status, attempts, sent := "delivered", 1, new(at.Add(time.Second))
		if hook == 0 && event >= g.outbox()-pendingDeliveries {
			status, attempts, sent = "pending", 0, nil
		}
		if !yield([]any{
			madeID(deliveryKind, n), madeID(webhookKind, hook), madeID(outboxKind, event), madeID(studentKind, event), event + 1, status, attempts, at, sent, sent, at,
		}) {
			return
		}
	}
}

// keys are answers that nobody can open.
func (g generator) keys(yield func([]any) bool) {
	for n := range 100 + g.Students/20 {
		digest := digestOf("key", n)
		if !yield([]any{madeID(staffKind, n%g.staff()), digest, digest, []byte("sealed for nobody"), eventTime(n)}) {
			return
		}
	}
}
