// Package masklog keeps personal data out of the log, whoever writes it.
//
// Its handler stands before the one that writes. An attribute, at any depth, whose key is a name under which openapi.yaml
// has personal data (x-pii) is masked as its kind asks; in every other text, what looks like an e-mail address or a
// 12-digit number is masked, and of an error of the database only what cannot quote a value is kept (OWASP ASVS 5.0,
// 16.2.5).
package masklog

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Handler masks, and passes on to another handler. It is safe for concurrent use.
type Handler struct {
	next  slog.Handler
	names map[string]string // kind by folded name
	group string            // kind of the group that is open; empty: of none
}

// New makes a handler that masks before next does its work. names are those of contract.PersonalNames.
func New(next slog.Handler, names map[string]string) *Handler {
	folded := make(map[string]string, len(names))
	for name, kind := range names {
		folded[fold(name)] = kind
	}
	return &Handler{next: next, names: folded}
}

var folder = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

// fold makes firstName, first_name and FIRST-NAME the same name.
func fold(name string) string { return strings.ToLower(folder.Replace(name)) }

// Enabled is the next handler's.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle masks a record and passes it on.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	masked := slog.NewRecord(r.Time, r.Level, scrub(r.Message), r.PC)
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.attr(a, h.group))
		return true
	})
	masked.AddAttrs(attrs...)
	return h.next.Handle(ctx, masked)
}

// WithAttrs masks the attributes once, for all records.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = h.attr(a, h.group)
	}
	copied := *h
	copied.next = h.next.WithAttrs(masked)
	return &copied
}

// WithGroup opens a group. Below a personal name everything is personal.
func (h *Handler) WithGroup(name string) slog.Handler {
	copied := *h
	copied.next = h.next.WithGroup(name)
	copied.group = h.kindOf(name, h.group)
	return &copied
}

// kindOf is the kind of a name, or that of what it stands in.
func (h *Handler) kindOf(name, outer string) string {
	if kind, personal := h.names[fold(name)]; personal {
		return kind
	}
	return outer
}

func (h *Handler) attr(a slog.Attr, outer string) slog.Attr {
	kind := h.kindOf(a.Key, outer)
	return slog.Attr{Key: scrub(a.Key), Value: h.value(a.Value.Resolve(), kind)}
}

func (h *Handler) value(v slog.Value, kind string) slog.Value {
	switch v.Kind() {
	case slog.KindGroup:
		members := v.Group()
		masked := make([]slog.Attr, len(members))
		for i, a := range members {
			masked[i] = h.attr(a, kind)
		}
		return slog.GroupValue(masked...)
	case slog.KindString:
		return slog.StringValue(text(v.String(), kind))
	case slog.KindAny:
		return h.anything(v.Any(), kind)
	default:
		if kind != "" { // a number or a time may be a phone or a birthday
			return slog.StringValue(contract.Mask("secret", v.String()))
		}
		return v
	}
}

func text(s, kind string) string {
	if kind != "" {
		return contract.Mask(kind, s)
	}
	return scrub(s)
}

// anything masks what slog knows nothing of: an error by its text, all else by its JSON.
func (h *Handler) anything(v any, kind string) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(text(v.Error(), kind))
	case []byte:
		return slog.StringValue(text(string(v), kind))
	case fmt.Stringer:
		return slog.StringValue(text(v.String(), kind))
	}
	raw, err := json.Marshal(v)
	var decoded any
	if err != nil || json.Unmarshal(raw, &decoded) != nil {
		return slog.StringValue(text(fmt.Sprintf("%+v", v), kind))
	}
	return slog.AnyValue(h.decoded(decoded, kind))
}

// decoded masks decoded JSON.
func (h *Handler) decoded(v any, kind string) any {
	switch v := v.(type) {
	case map[string]any:
		masked := make(map[string]any, len(v))
		for name := range maps.Keys(v) {
			masked[scrub(name)] = h.decoded(v[name], h.kindOf(name, kind))
		}
		return masked
	case []any:
		for i, item := range v {
			v[i] = h.decoded(item, kind)
		}
		return v
	case string:
		return text(v, kind)
	}
	if kind != "" && v != nil {
		return contract.Mask("secret", fmt.Sprint(v))
	}
	return v
}
