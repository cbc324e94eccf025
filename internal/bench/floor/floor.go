// Package floor is the least that a Go program can do to answer five of the service's requests: net/http, encoding/json and
// pgx. It is what the service is measured against (internal/bench), and no example of how to write one.
//
// It sends PostgreSQL the statements of the service's operations, by the same generated queries, to the same schema, so that
// the same constraints and triggers work; each statement is an exchange of its own. A list, an admission and a register
// are a transaction in the tenant's schema, in its role and in somebody's name, since without these three there are no rows and no
// audit trail. A single student is read by one statement alone, on a connection that is in the schema already.
//
// It leaves out all the rest: sessions, roles and permissions (the token is compared in memory), validation and normalisation (a
// body is decoded into a struct; an admission is refused when its first name is empty), what the answers of the database to the
// checks say, idempotency, rate limits, time limits, retries, a circuit breaker, logs, metrics, and errors that say what is wrong.
package floor

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
)

// Config says whose rows are served, and to whom.
type Config struct {
	URL    string    `json:"url"` // of the database
	Conns  int32     `json:"conns"`
	Token  string    `json:"token"`
	Tenant uuid.UUID `json:"tenant"`
	User   uuid.UUID `json:"user"`
}

// New is the handler. close ends its connections.
func New(ctx context.Context, c Config) (handler http.Handler, closeAll func(), err error) {
	s, err := open(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /v1/students", s.list)
	routes.HandleFunc("GET /v1/students/{id}", s.get)
	routes.HandleFunc("POST /v1/students", s.admit)
	routes.HandleFunc("PUT /v1/sections/{section}/attendance/{date}", s.mark)
	return s.authenticated(routes), s.close, nil
}

func (s *server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(token), []byte(s.config.Token)) != 1 {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	section, err := uuid.Parse(r.FormValue("sectionId"))
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var p Page
	err = s.inTx(r.Context(), func(ctx context.Context, q *gendb.Queries) (err error) {
		p, err = List(ctx, q, section)
		return err
	})
	respond(w, http.StatusOK, p, err)
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	student, err := s.inSchema(r.Context(), id)
	respond(w, http.StatusOK, student, err)
}

func (s *server) admit(w http.ResponseWriter, r *http.Request) {
	var a api.StudentAdmission
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil || a.FirstName == "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var student gendb.StudentRecord
	err := s.inTx(r.Context(), func(ctx context.Context, q *gendb.Queries) (err error) {
		student, err = Admit(ctx, q, a, newID)
		return err
	})
	respond(w, http.StatusCreated, student, err)
}

func (s *server) mark(w http.ResponseWriter, r *http.Request) {
	m := Register{User: s.config.User}
	var dateErr, bodyErr, sectionErr error
	m.Section, sectionErr = uuid.Parse(r.PathValue("section"))
	dateErr = m.Date.UnmarshalText([]byte(r.PathValue("date")))
	var body api.RegisterMarks
	bodyErr = json.NewDecoder(r.Body).Decode(&body)
	if sectionErr != nil || dateErr != nil || bodyErr != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	m.Marks = body.Marks
	var rows []gendb.ListRegisterRow
	err := s.inTx(r.Context(), func(ctx context.Context, q *gendb.Queries) (err error) {
		rows, err = Mark(ctx, q, m, newID)
		return err
	})
	respond(w, http.StatusOK, rows, err)
}

// newID makes the id of a row.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func respond(w http.ResponseWriter, status int, body any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // whoever asked may be gone
}

// Page is a page of students, and how many there are.
type Page struct {
	Data  []gendb.StudentRecord `json:"data"`
	Total int64                 `json:"total"`
}

// Register is a register to be taken.
type Register struct {
	Section, User uuid.UUID
	Date          openapi_types.Date
	Marks         []api.MarkInput
}
