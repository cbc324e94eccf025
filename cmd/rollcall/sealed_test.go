package main

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// say posts what must succeed, with a key of its own, and returns the members of the answer.
func (s *serving) say(path, token, body string) map[string]any {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Idempotency-Key", uuid.NewString())
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	require.Less(s.t, response.StatusCode, http.StatusMultipleChoices, path)
	var members map[string]any
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(&members))
	return members
}

// shownOnce makes one of everything that is sealed or hashed, and returns what the answers showed.
func shownOnce(t *testing.T, s *serving) (texts []string) {
	t.Helper()
	token := s.say("/v1/auth/login", "", `{"tenant":"demo","email":"admin@demo.school","password":"rollcall demo 2026"}`)["token"].(string)
	texts = append(texts, "123412341234", token)
	s.say("/v1/students", token, newcomer)
	status, _ := s.post("/v1/students", token, newcomer)
	require.Equal(t, http.StatusConflict, status, "an error that concerns a national id")
	status, _ = s.post("/v1/auth/login", "", `{"tenant":"demo","email":"admin@demo.school","password":"a wrong password"}`)
	require.Equal(t, http.StatusUnauthorized, status)

	secret := s.say("/v1/auth/mfa/enroll", token, "")["secret"].(string)
	code, err := totp.GenerateCode(secret, time.Now())
	require.NoError(t, err)
	activated := s.say("/v1/auth/mfa/activate", token, `{"code":"`+code+`"}`)
	token = activated["token"].(string)
	texts = append(texts, secret, token)
	for _, recovery := range activated["recoveryCodes"].([]any) {
		texts = append(texts, recovery.(string))
	}
	made := s.say("/v1/webhooks", token, `{"url":"https://93.184.216.34/hook","events":["student.admitted"],"isActive":false}`)
	webhook := made["webhook"].(map[string]any)["id"].(string)
	rotated := s.say("/v1/webhooks/"+webhook+"/rotate-secret", token, "")
	return append(texts, made["secret"].(string), rotated["secret"].(string))
}

// forms are a text as it may be written somewhere.
func forms(text string) []string {
	all := []string{text, hex.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte(text))}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_")); err == nil {
		all = append(all, hex.EncodeToString(raw))
	}
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text); err == nil {
		all = append(all, hex.EncodeToString(raw))
	}
	return all
}

// bytesColumns are the columns of bytes in a schema that have only digests, and the others.
func bytesColumns(t *testing.T, d *dbtest.Database, schema string) (digests, others []string) {
	t.Helper()
	for _, column := range dbtest.Values[string](t, d, `select c.table_name || '.' || c.column_name from information_schema.columns c
		join information_schema.tables t using (table_schema, table_name)
		where c.table_schema = $1 and c.data_type = 'bytea' and t.table_type = 'BASE TABLE' order by 1`, schema) {
		table, name, _ := strings.Cut(column, ".")
		require.Positive(t, dbtest.Value[int](t, d, "select count("+name+") from "+schema+"."+table), "%s has no value: the test shows nothing of it", column)
		if dbtest.Value[bool](t, d, "select bool_and(octet_length("+name+") = 32) from "+schema+"."+table+" where "+name+" is not null") {
			digests = append(digests, column)
		} else {
			others = append(others, column)
		}
	}
	return digests, others
}

// Columns of bytes are found in the schema. One that has no digests is sealed: then an import must know how to seal it anew, and what it
// means must not stand anywhere else.
func TestSealed_whatAColumnSealsIsNowhereInThePlain(t *testing.T) {
	t.Parallel()
	o := newOperator(t, newDemo(t))
	traces := &collector{}
	receiver := httptest.NewServer(traces)
	defer receiver.Close()
	s := startServe(t, o.env[0], "ROLLCALL_DRAIN_DELAY=0s", "ROLLCALL_JOBS=off", "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL)
	s.awaitReady()
	texts := shownOnce(t, s)
	places := map[string]string{"the metrics": s.get("/metrics")}
	s.end()
	places["the log"], places["a trace"] = strings.Join(s.log, "\n"), traces.text()
	o.d.Exec(t, "update "+o.schemaOf("demo")+".sections set capacity = 200") // what newDemo says is more than a copy may have
	places["the log of a task"] = o.says(0, "done", "jobs run --task seal-audit")

	schema, box := o.schemaOf("demo"), testBox(t)
	digests, others := bytesColumns(t, o.d, schema)
	resealed := []string{"idempotency_keys.response"} // is not moved
	for _, c := range sealedColumns() {
		resealed = append(resealed, c.Table+"."+c.Name)
		keys := dbtest.Values[uuid.UUID](t, o.d, "select "+c.Key+" from "+schema+"."+c.Table+" where "+c.Name+" is not null")
		for _, key := range keys {
			text, err := box.Open(dbtest.Value[[]byte](t, o.d, "select "+c.Name+" from "+schema+"."+c.Table+" where "+c.Key+" = $1", key), c.Place(seed.DemoTenant, key))
			require.NoError(t, err, "%s.%s", c.Table, c.Name)
			texts = append(texts, text)
		}
		if c.DigestName != "" {
			assert.Contains(t, digests, c.Table+"."+c.DigestName)
		}
	}
	assert.ElementsMatch(t, resealed, others, "sealed columns, and those that an import seals anew")

	for _, table := range dbtest.Values[string](t, o.d, "select tablename::text from pg_tables where schemaname = $1", schema) {
		places["table "+table] = strings.Join(dbtest.Values[string](t, o.d, "select r::text from "+schema+"."+table+" r"), "\n")
	}
	dir := filepath.Join(t.TempDir(), "demo")
	o.says(0, "Exported", "tenant export demo --to", dir)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		places["the export's "+entry.Name()] = string(content)
		return err
	}))
	require.Contains(t, places["table audit_events"], "webhook")
	require.Contains(t, places["a trace"], "enrollMfa")
	for _, text := range slices.Compact(slices.Sorted(slices.Values(texts))) {
		require.Greater(t, len(text), 8)
		for _, form := range forms(text) {
			for place, content := range places {
				assert.NotContains(t, content, form, "in %s", place)
			}
		}
	}
	t.Logf("%d texts, of %d columns and what was shown once, are in none of %d places", len(texts), len(others), len(places))
}
