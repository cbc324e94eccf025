package masklog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/masklog"
)

var document = sync.OnceValues(contract.Load)

// logged is one line as JSON, written by a logger that masks.
func logged(t *testing.T, write func(*slog.Logger)) map[string]any {
	t.Helper()
	c, err := document()
	require.NoError(t, err)
	var out bytes.Buffer
	write(slog.New(masklog.New(slog.NewJSONHandler(&out, nil), c.PersonalNames())))
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	return line
}

type person struct {
	FirstName string `json:"firstName"`
	Class     string `json:"class"`
}

type valuer struct{}

func (valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("email", "asha@example.org"), slog.Int("n", 1))
}

func TestHandler_masksByTheNamesOfTheDocument(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attr slog.Attr
		want any
	}{
		"name":            {slog.String("firstName", "Asha"), "A***"},
		"snake case":      {slog.String("first_name", "Asha"), "A***"},
		"other case":      {slog.String("FIRSTNAME", "Asha"), "A***"},
		"e-mail":          {slog.String("email", "asha@example.org"), "a***@e***.org"},
		"phone":           {slog.String("phone", "+91 98765 43210"), "***10"},
		"phone as number": {slog.Int64("phone", 919876543210), "***"},
		"national id":     {slog.String("aadharNumber", "123412341234"), "***"},
		"birth as time":   {slog.Time("dateOfBirth", time.Date(2010, 1, 2, 0, 0, 0, 0, time.UTC)), "***"},
		"secret":          {slog.String("newPassword", "x"), "***"},
		"token":           {slog.String("token", "rc1.abc"), "***"},
		"not personal":    {slog.String("route", "/v1/students"), "/v1/students"},
		"number":          {slog.Int("status", 200), 200.0},
		"group":           {slog.Group("student", "lastName", "Verma", "class", "5"), map[string]any{"lastName": "V***", "class": "5"}},
		"LogValuer":       {slog.Any("user", valuer{}), map[string]any{"email": "a***@e***.org", "n": 1.0}},
		"struct":          {slog.Any("student", person{"Asha", "5"}), map[string]any{"firstName": "A***", "class": "5"}},
		"list":            {slog.Any("students", []person{{"Asha", "5"}}), []any{map[string]any{"firstName": "A***", "class": "5"}}},
		"below a name":    {slog.Any("address", map[string]any{"street": "Canary Lane", "no": 5}), map[string]any{"street": "***", "no": "***"}},
		"group of a name": {slog.Group("address", "street", "Canary Lane"), map[string]any{"street": "***"}},
		"bytes":           {slog.Any("phone", []byte("+91 98765 43210")), "***10"},
		"unmarshallable":  {slog.Any("x", func() {}), nil},
	} {
		got := logged(t, func(l *slog.Logger) { l.LogAttrs(t.Context(), slog.LevelInfo, "m", c.attr) })[c.attr.Key]
		if name == "unmarshallable" {
			assert.IsType(t, "", got)
			continue
		}
		assert.Equal(t, c.want, got, name)
	}
}

func TestHandler_masksInTextsWhatLooksPersonal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"no user asha.verma@demo.school here":                                  "no user a***@d***.school here",
		"<asha@example.org>":                                                   "<a***@e***.org>",
		"/v1/students?q=asha%40example.org":                                    "/v1/students?q=***",
		"aadhar 123412341234":                                                  "aadhar ***",
		"aadhar 1234 1234 1234, twice 1234-1234-1234":                          "aadhar ***, twice ***",
		"tenant 01900000-0000-7000-8000-000000000501":                          "tenant 01900000-0000-7000-8000-000000000501",
		"schema t_01900000000070008000000000000501":                            "schema t_01900000000070008000000000000501",
		"12345678901 and 1234567890123 are no national ids":                    "12345678901 and 1234567890123 are no national ids",
		"nothing to hide":                                                      "nothing to hide",
		`ERROR: relation "nosuch" does not exist (SQLSTATE 42P01)`:             `ERROR: relation "nosuch" does not exist (SQLSTATE 42P01)`,
		`ERROR: invalid input syntax for type uuid: "Canary" (SQLSTATE 22P02)`: `ERROR: (message left out) (SQLSTATE 22P02)`,
		"insert: ERROR: Canary\nlives here (SQLSTATE P0001), again":            "insert: ERROR: (message left out) (SQLSTATE P0001), again",
	} {
		line := logged(t, func(l *slog.Logger) {
			l.Info(text, "as", text, "error", errors.New(text), "in", map[string]any{"deep": []string{text}})
		})
		assert.Equal(t, want, line["msg"])
		assert.Equal(t, want, line["as"])
		assert.Equal(t, want, line["error"])
		assert.Equal(t, map[string]any{"deep": []any{want}}, line["in"])
	}
}

func TestHandler_ofADatabaseErrorNeitherMessageNorDetailQuotesAValue(t *testing.T) {
	t.Parallel()
	pg := &pgconn.PgError{Severity: "ERROR", Code: "22007", Message: `invalid date "Canary"`, Detail: "Canary", Hint: "Canary", Where: "Canary"}
	line := logged(t, func(l *slog.Logger) { l.Error("failed", "error", fmt.Errorf("admit: %w", pg), "as", pg) })
	assert.Equal(t, "admit: ERROR: (message left out) (SQLSTATE 22007)", line["error"])
	assert.Equal(t, "ERROR: (message left out) (SQLSTATE 22007)", line["as"])
}

func TestHandler_masksAttributesAndGroupsOfLoggers(t *testing.T) {
	t.Parallel()
	line := logged(t, func(l *slog.Logger) {
		l.With("email", "asha@example.org").WithGroup("address").With("a", "Canary").Info("m", "street", "Canary Lane")
	})
	assert.Equal(t, "a***@e***.org", line["email"])
	assert.Equal(t, map[string]any{"a": "***", "street": "***"}, line["address"])
}

func TestHandler_isOtherwiseLikeAnyOther(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := slogtest.TestHandler(masklog.New(slog.NewJSONHandler(&out, nil), nil), func() []map[string]any {
		var lines []map[string]any
		for raw := range bytes.SplitSeq(bytes.TrimSpace(out.Bytes()), []byte("\n")) {
			var line map[string]any
			require.NoError(t, json.Unmarshal(raw, &line))
			lines = append(lines, line)
		}
		return lines
	})
	require.NoError(t, err)
	quiet := masklog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}), nil)
	assert.False(t, quiet.Enabled(context.Background(), slog.LevelInfo))
}
