package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/masklog"
	"github.com/rollcall-erp/rollcall/internal/ratelimit"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/server"
)

// BenchmarkHandler is a request from net/http's handler on, with everything that is done for it: the session is remembered, and the
// line of the log is written to nowhere. An invalid admission does not reach the database.
func BenchmarkHandler(b *testing.B) {
	handler, token := benchmarked(b)
	invalid := `{"firstName": "", "lastName": "D'Souza", "admissionNumber": "A-1", "institutionId": "` + mainCampus + `", "academicYearId": "` + year2026 +
		`", "classId": "` + grade1 + `", "sectionId": "` + grade1A + `", "dateOfBirth": "2016-02-30", "gender": "female", "email": "diya at example.org",
		"phone": "+91 98450 12345", "admissionDate": "2026-06-01", "isAdmin": "7 Church Street, Bengaluru", "bloodGroup": "B+"}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"get", http.MethodGet, "/v1/students/" + asha, "", http.StatusOK},
		{"list", http.MethodGet, "/v1/students?sectionId=" + grade1A, "", http.StatusOK},
		{"invalid", http.MethodPost, "/v1/students", invalid, http.StatusBadRequest},
	} {
		b.Run(c.name, func(b *testing.B) {
			request := func() *http.Request {
				r := httptest.NewRequestWithContext(b.Context(), c.method, c.path, strings.NewReader(c.body))
				r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "User-Agent": {"benchmark"}}
				return r
			}
			first := httptest.NewRecorder()
			handler.ServeHTTP(first, request())
			require.Equal(b, c.status, first.Code, first.Body)
			r := request()
			b.ReportAllocs()
			for b.Loop() {
				again := r.WithContext(b.Context())
				again.Body = io.NopCloser(strings.NewReader(c.body))
				handler.ServeHTTP(&nobody{header: http.Header{}}, again)
			}
		})
	}
}

// nobody takes an answer, or lines of a log, and keeps none of it.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) WriteHeader(int)             {}
func (n *nobody) Write(p []byte) (int, error) { return len(p), nil }

// benchmarked is the service on the demo school, and an administrator's token.
func benchmarked(b *testing.B) (handler http.Handler, token string) {
	b.Helper()
	c, err := document()
	require.NoError(b, err)
	database := dbtest.NewFrom(b, "demo", seedDemo)
	metrics := server.NewMetrics()
	memory, err := auth.NewMemory(metrics)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	heard := make(chan error, 1)
	go func() { heard <- memory.Run(ctx, database.URL, slog.New(slog.DiscardHandler)) }()
	b.Cleanup(func() { cancel(); <-heard })
	limiter, err := ratelimit.New(ratelimit.Config{Scale: 1e6})
	require.NoError(b, err)
	handler, err = server.New(server.Dependencies{
		DB: database.Open(b, db.Config{MaxConns: 4}), Contract: c, Box: testBox(), Sessions: auth.Limits{Idle: time.Hour, Lifetime: 12 * time.Hour},
		Metrics: metrics, Memory: memory, Limiter: limiter, Log: slog.New(masklog.New(slog.NewJSONHandler(&nobody{}, nil), c.PersonalNames())),
	})
	require.NoError(b, err)
	require.Eventually(b, memory.Hears, 10*time.Second, 10*time.Millisecond)
	t := auth.NewToken(seed.DemoTenant)
	database.Exec(b, `insert into `+db.SchemaName(seed.DemoTenant)+`.sessions (id, user_id, token_hash, transport, created_at, expires_at, factor_at, last_used_at)
		values ($1, $2, $3, $4, now(), now() + interval '1 hour', now(), now())`,
		uuid.Must(uuid.NewV7()), demoUsers["admin"], t.Hash(), string(api.TransportBearer))
	return handler, t.String()
}
