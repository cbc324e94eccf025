// Package page turns page, limit and cursor of a list request into rows to fetch, and the rows into the list's page.
//
// A list is read by page number (an offset) or by cursor (a keyset: the sort values of the last row seen). A cursor is
// bound to its list and filters: with others it is refused, since it would silently skip rows.
package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// MostCounted is how far a list is counted; beyond it the total is capped.
const MostCounted = 10_000

// Request is what a client asked for. K holds the sort values of a row, its id last.
type Request[K any] struct {
	// After is the row behind which to go on; nil when reading by page number.
	After *K

	number      int32
	limit       int32
	fingerprint string
}

// Parameters are the query parameters of a list, with the defaults that the contract has filled in.
type Parameters struct {
	Page   *int32
	Limit  *int
	Cursor *string
}

type cursor[K any] struct {
	Version     int    `json:"v"`
	Fingerprint string `json:"f"`
	Key         *K     `json:"k"`
}

const cursorVersion = 1

// Read understands the parameters of a list. filters is anything that tells one selection and order from another and
// marshals to JSON. The error is an *apperr.Error on the field cursor.
func Read[K any](list string, p Parameters, filters any) (Request[K], error) {
	r := Request[K]{number: *p.Page, limit: int32(*p.Limit), fingerprint: fingerprint(list, filters)}
	if p.Cursor == nil {
		return r, nil
	}
	c, err := decode[K](*p.Cursor)
	if err != nil || c.Version != cursorVersion || c.Key == nil || c.Fingerprint != r.fingerprint {
		return Request[K]{}, apperr.WithFields(apperr.Invalid, apperr.Field{
			In: apperr.Query, Field: "cursor", Code: "cursor",
			Message: "Belongs to another list or other filters; start again without it",
		})
	}
	r.After = c.Key
	return r, nil
}

func decode[K any](text string) (cursor[K], error) {
	var c cursor[K]
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return c, fmt.Errorf("cursor: %w", err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("cursor: %w", err)
	}
	return c, nil
}

func encode[K any](fingerprint string, key K) string {
	raw, err := json.Marshal(cursor[K]{Version: cursorVersion, Fingerprint: fingerprint, Key: &key})
	if err != nil {
		panic(fmt.Sprintf("page: a key of type %T does not marshal: %v", key, err)) // a fault of the program
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// fingerprint is short: it guards against mistakes, and there is nothing to win by forging it.
func fingerprint(list string, filters any) string {
	raw, err := json.Marshal(filters)
	if err != nil {
		panic(fmt.Sprintf("page: filters of type %T do not marshal: %v", filters, err)) // a fault of the program
	}
	sum := sha256.Sum256(append([]byte(list+"\x00"), raw...))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// RowLimit is how many rows to fetch: one more than the page has, to know whether another page follows.
func (r Request[K]) RowLimit() int32 { return r.limit + 1 }

// RowOffset is how many rows to skip.
func (r Request[K]) RowOffset() int32 {
	if r.After != nil {
		return 0
	}
	return (r.number - 1) * r.limit
}

// isBehind reports whether a page number lies behind the last of so many rows.
func (r Request[K]) isBehind(counted int64) bool {
	return r.RowOffset() > 0 && int64(r.RowOffset()) >= min(counted, MostCounted)
}

// skipsFew reports whether rows are skipped only within what is counted in any case.
func (r Request[K]) skipsFew() bool { return r.RowOffset() < MostCounted }

// reachable refuses a page number behind the rows that are counted: to skip so many would mean to read them all.
func (r Request[K]) reachable(counted int64) error {
	if !r.isBehind(counted) || counted <= MostCounted {
		return nil
	}
	return apperr.WithFields(apperr.Invalid, apperr.Field{
		In: apperr.Query, Field: "page", Code: "maximum",
		Message: fmt.Sprintf("Page numbers reach the first %d rows; go on with the cursor (page.nextCursor)", MostCounted),
	})
}

// CountLimit is how many rows to count at most: one more than are reported, to know whether the total is capped.
func CountLimit() int32 { return MostCounted + 1 }

// Finish makes the page of fetched rows: it drops the row too many and, if there was one, names the cursor behind the last
// row kept. counted is the number of rows of the whole list, counted up to CountLimit.
func Finish[K, R, T any](r Request[K], rows []R, counted int64, key func(R) K, convert func(R) T) ([]T, api.PageInfo) {
	info := api.PageInfo{
		Limit: int(r.limit), Total: min(counted, MostCounted), TotalCapped: counted > MostCounted,
	}
	info.TotalPages = (info.Total + int64(r.limit) - 1) / int64(r.limit)
	if r.After == nil {
		info.Page = &r.number
	}
	if len(rows) > int(r.limit) {
		rows = rows[:r.limit]
		next := encode(r.fingerprint, key(rows[len(rows)-1]))
		info.NextCursor = &next
	}
	data := make([]T, len(rows))
	for i, row := range rows {
		data[i] = convert(row)
	}
	return data, info
}

// Whole is the page of a list that is short enough to be one: so many rows, of at most so many.
func Whole(rows, most int) api.PageInfo {
	return api.PageInfo{Page: new(int32(1)), Limit: most, Total: int64(rows), TotalPages: int64(min(1, rows))}
}
