package audit_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// What is masked by the database looks as it does where it is masked by the program.
func TestMask_inTheDatabaseIsThatOfTheProgram(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	values := []string{
		"", "a", "Asha", "Émilie", "李雷", "e\u0301", " ", "asha.verma@example.org", "a@b", "a@b.", "a@.b", "@example.org", "asha@", "@", "@@", "a@b@c.org", "no address",
		"a@sub.example.co.in", "é@ü.example", "+91 98450 00017", "12-34", "123456", "1234567", "٣٣٣٣٣٣٣٣", "98450００017", "2016-02-29", "***", "a\nb@c\nd.org\n", "a@b.c\nd",
	}
	compared := 0
	for _, kind := range []string{"name", "email", "phone", "birth", "address", "national-id", "secret", "hidden"} {
		for _, value := range values {
			assert.Equal(t, contract.Mask(kind, value), dbtest.Value[string](t, s.Database, `select `+s.schema+`.audit_mask($1, $2)`, kind, value), "%s of %q", kind, value)
			compared++
		}
	}
	t.Logf("%d values masked alike", compared)
}

var capital = regexp.MustCompile(`[A-Z]`)

// What x-pii marks in the document is masked in the trail by its kind, or leaves nothing at all: in every table, also one that
// no operation shows, under every name that the document knows. schema/agreement_test.go asks property by property.
func TestMask_whatTheDocumentMarksIsMaskedInEveryTable(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	require.NoError(t, err)
	s := newSchool(t)
	personal := map[string]string{}
	for name, kind := range c.PersonalNames() {
		personal[capital.ReplaceAllStringFunc(name, func(s string) string { return "_" + strings.ToLower(s) })] = kind
	}
	conn := s.Conn(t)
	_, err = conn.Exec(t.Context(), "set search_path = "+s.schema)
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), `select a.audited::text, c.own, c.mask from audited_tables() a, unnest(a.own::text[], a.masks) c (own, mask)`)
	require.NoError(t, err)
	marked := 0
	for rows.Next() {
		var table, column, mask string
		require.NoError(t, rows.Scan(&table, &column, &mask))
		kind, isPersonal := personal[column]
		if !isPersonal || kind == "secret" { // code is that of a second factor, and of an institution; secrets are kept as bytes
			continue
		}
		marked++
		switch kind {
		case "name", "email", "phone":
			assert.Contains(t, []string{kind, "hidden", "never"}, mask, "%s.%s: give it the comment 'audit: %s'", table, column, kind)
		default:
			assert.Contains(t, []string{"hidden", "never"}, mask, "%s.%s: give it the comment 'audit: hidden'", table, column)
		}
	}
	require.NoError(t, rows.Err())
	assert.GreaterOrEqual(t, marked, 10, "the search finds what it should")
	t.Logf("%d columns are personal", marked)
}

// Comments are free text: one that means nothing would hide a column, or show it, without anybody meaning it.
func TestMask_commentsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	assert.Empty(t, dbtest.Values[string](t, s.Database, `select c.relname || '.' || a.attname || ': ' || d.description
		from pg_description d join pg_class c on c.oid = d.objoid join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
		where c.relnamespace = $1::regnamespace and d.description like 'audit%' and d.description !~ '^audit: (plain|name|email|phone|hidden|never|ignored)$'`, s.schema))
}
