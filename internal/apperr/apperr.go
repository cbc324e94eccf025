// Package apperr is the one kind of error that reaches a client.
//
// A handler, a rule or the database layer returns an *Error that says what kind of failure it is, what a person should
// read, and which fields are at fault. internal/server renders it, once, as an RFC 9457 problem document. Every other
// error is a fault of ours: the client sees a bare 500, the log sees the cause.
package apperr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is the class of a failure; each has one HTTP status and one problem type.
type Kind int

// The kinds. Internal is the zero value, so that a forgotten kind says nothing to the client.
const (
	Internal Kind = iota
	Invalid
	Unauthenticated
	Forbidden
	// MFARequired is a session that lacks the second factor.
	MFARequired
	// FreshFactorRequired is a factor that was given too long ago.
	FreshFactorRequired
	// CSRFToken is a cookie without the session's own proof that its page asks.
	CSRFToken
	// CrossOrigin is a browser's request from another site.
	CrossOrigin
	NotFound
	MethodNotAllowed
	Conflict
	// RequestInProgress is a request whose idempotency key another one has at this moment.
	RequestInProgress
	// KeyReused is an idempotency key that belongs to another request.
	KeyReused
	PreconditionFailed
	TooLarge
	UnsupportedMediaType
	// TooManyRequests is a caller whose limit is used up.
	TooManyRequests
	Unavailable
	// OutcomeUnknown is the commit whose reply was lost: it may have happened.
	OutcomeUnknown
	// Canceled is a client that went away; nobody reads the answer.
	Canceled
)

// Location is the part of a request that a fault is in.
type Location string

// The locations.
const (
	Body   Location = "body"
	Query  Location = "query"
	Path   Location = "path"
	Header Location = "header"
)

// Field is one fault of a request.
type Field struct {
	In      Location
	Field   string // plain name: "email", "students[3].email"; empty for the part as a whole
	Pointer string // RFC 6901, for the body only
	Code    string // the schema keyword or a rule's name: "required", "unique", "reference"
	Message string // for people; never holds the value itself
}

// The codes of names that nobody expects: in a query, and in a body (the keyword of JSON Schema).
const (
	CodeUnknown              = "unknown"
	CodeAdditionalProperties = "additionalProperties"
)

// Unknown reports whether the fault is the name itself. Such a name is told to who sent it, and to nobody else.
func (f Field) Unknown() bool { return f.Code == CodeUnknown || f.Code == CodeAdditionalProperties }

// Error is a failure that may be shown to the client.
type Error struct {
	Kind       Kind
	Detail     string // for people; empty when the kind says it all
	Fields     []Field
	RetryAfter time.Duration // for RequestInProgress, TooManyRequests, Unavailable and OutcomeUnknown
	cause      error
}

// New makes an error of a kind with a detail for people.
func New(kind Kind, detail string) *Error { return &Error{Kind: kind, Detail: detail} }

// Wrap makes an error of a kind that keeps its cause for the log.
func Wrap(kind Kind, detail string, cause error) *Error {
	return &Error{Kind: kind, Detail: detail, cause: cause}
}

// WithFields makes an error of a kind from faults. InvalidFields and ConflictFields are for what may have none.
func WithFields(kind Kind, fields ...Field) *Error {
	return &Error{Kind: kind, Detail: summary(fields), Fields: fields}
}

// InvalidFields is nil without faults, otherwise an Invalid error that reports all of them.
func InvalidFields(fields []Field) error { return orNil(Invalid, fields) }

// ConflictFields is nil without faults, otherwise a Conflict that reports all of them.
func ConflictFields(fields []Field) error { return orNil(Conflict, fields) }

func orNil(kind Kind, fields []Field) error {
	if len(fields) == 0 {
		return nil // an untyped nil: a nil *Error in an error is not nil
	}
	return WithFields(kind, fields...)
}

func summary(fields []Field) string {
	switch len(fields) {
	case 0:
		return ""
	case 1:
		return "One field needs attention."
	default:
		return fmt.Sprintf("%d fields need attention.", len(fields))
	}
}

// BodyField is a fault of a member of the body, named by its path of names and places in lists ("guardians", 0, "email").
func BodyField(code, message string, path ...any) Field {
	name, pointer := place(path)
	return Field{In: Body, Field: name, Pointer: pointer, Code: code, Message: message}
}

// place spells a path for people and as a pointer.
func place(path []any) (name, pointer string) {
	for _, p := range path {
		switch p := p.(type) {
		case int:
			at := strconv.Itoa(p)
			name, pointer = name+"["+at+"]", pointer+"/"+at
		default:
			member := fmt.Sprint(p)
			if name != "" {
				name += "."
			}
			name, pointer = name+member, pointer+"/"+escapePointer(member)
		}
	}
	return name, pointer
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(token string) string { return pointerEscaper.Replace(token) }

// Under names the same faults below a place in the body: under ("students", 36), email becomes students[36].email.
func Under(fields []Field, path ...any) []Field {
	prefix := BodyField("", "", path...)
	out := make([]Field, len(fields))
	for i, f := range fields {
		f.Pointer = prefix.Pointer + f.Pointer
		f.Field = strings.Trim(prefix.Field+"."+f.Field, ".")
		out[i] = f
	}
	return out
}

// Error is for the log.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Kind.String())
	if e.Detail != "" {
		text.WriteString(": " + e.Detail)
	}
	for _, f := range e.Fields {
		name := f.Field
		if f.Unknown() {
			name = "?" // the client made it up: it may be anything, personal data too
		}
		fmt.Fprintf(&text, " [%s %s %s]", f.In, name, f.Code)
	}
	if e.cause != nil {
		text.WriteString(": " + e.cause.Error())
	}
	return text.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf is the kind of an error; Internal when it is not one of ours.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

var kindNames = [...]string{
	"internal", "invalid", "unauthenticated", "forbidden", "mfa required", "fresh factor required",
	"csrf token", "cross origin", "not found", "method not allowed", "conflict",
	"request in progress", "key reused", "precondition failed", "too large", "unsupported media type", "too many requests", "unavailable", "outcome unknown", "canceled",
}

// String is the kind in words.
func (k Kind) String() string { return kindNames[k] }
