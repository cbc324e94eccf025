package db

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// Actor is who writes: what the audit trail says of every row that a transaction changes. Who writes without one is known
// to it as the database itself.
type Actor struct {
	Kind    ActorKind `json:"kind"`
	Action  string    `json:"action"`            // what is done: an operationId, a task, a command; 1 to 100 characters
	User    uuid.UUID `json:"user,omitzero"`     // of the tenant
	Session uuid.UUID `json:"session,omitzero"`  // the user's
	Address string    `json:"address,omitempty"` // of the client; at most 45 characters
	Request string    `json:"request,omitempty"` // its id in the log; at most 64 characters
}

// ActorKind is what an actor is.
type ActorKind string

// The kinds, as audit_events_actor_kind_check has them.
const (
	ActorUser      ActorKind = "user"      // who is signed in
	ActorAnonymous ActorKind = "anonymous" // who is not, yet
	ActorOperator  ActorKind = "operator"  // a command of this program
	ActorJob       ActorKind = "job"       // a periodic task
)

type actorKey struct{}

// WithActor is ctx with who writes in the transactions that begin with it.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// WithUser is ctx whose actor has turned out to be this user: a password has just shown it.
func WithUser(ctx context.Context, user uuid.UUID) context.Context {
	a, _ := ctx.Value(actorKey{}).(Actor)
	a.Kind, a.User = ActorUser, user
	return WithActor(ctx, a)
}

// actorSetting is the value of rollcall.actor, which the triggers of schema/tenant/00009_audit.sql read; empty without an actor.
func actorSetting(ctx context.Context) (string, error) {
	a, known := ctx.Value(actorKey{}).(Actor)
	if !known {
		return "", nil
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("name the actor: %w", err)
	}
	return string(raw), nil
}

// ActorSetting is what rollcall.actor has to be for a transaction that InTx does not begin (internal/tenant).
func ActorSetting(ctx context.Context) (string, error) { return actorSetting(ctx) }
