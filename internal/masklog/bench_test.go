package masklog_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/rollcall-erp/rollcall/internal/masklog"
)

// nowhere is a place for lines that are written whole: slog.DiscardHandler writes none.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkRequest is the line that each request leaves.
func BenchmarkRequest(b *testing.B) {
	log := slog.New(masklog.New(slog.NewJSONHandler(nowhere{}, nil), map[string]string{"firstName": "name", "email": "email"}))
	const id = "01a212db-6d2a-7ade-86c9-e685c001cedb"
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "request",
			slog.String("requestId", id), slog.String("method", "GET"), slog.String("route", "/v1/students/:studentId"), slog.Int("status", 200),
			slog.Duration("duration", time.Millisecond), slog.Int64("bytes", 1211), slog.String("remote", "127.0.0.1"),
			slog.String("tenant", id), slog.String("user", id))
	}
}
