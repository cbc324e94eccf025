// Package strictjson decodes a request body into plain Go values and accepts
// only JSON that every reader understands alike.
//
// The JSON grammar leaves gaps: which of two equal names counts, what a lone
// surrogate stands for, whether bytes after the value matter. A validator and
// a handler that fill these gaps differently see two different requests in one
// body, and that is how a check is walked around. [Decode] refuses every such
// body, and the few that other parts of the system cannot take: NUL, which
// PostgreSQL does not store, and nesting beyond [MaxDepth].
//
// The result is made of map[string]any, []any, string, bool, nil and
// [json.Number]. Numbers keep the digits that were sent, so that 0.10 stays
// exact and an id beyond 2^53 is not rounded.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how many arrays and objects may be open at once.
const MaxDepth = 32

// allowDuplicates leaves duplicate names to the map that is built anyway, which
// is faster than letting jsontext keep a second set of names.
var allowDuplicates = jsontext.AllowDuplicateNames(true)

// Decode reads the one JSON value that data holds. White space may surround it.
// It only reads data, and keeps no reference to it; strings of the result share
// one copy of it. Every error that it returns
// is a [*SyntaxError].
func Decode(data []byte) (any, error) {
	d := decoders.Get().(*decoder) //nolint:forcetypeassert // nothing else is in the pool
	defer d.free()
	r := reader{data: data, copied: string(data), dec: d.over(data)}
	tok, err := r.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil, r.fail(CodeEmpty, "", 0)
	}
	if err != nil {
		return nil, r.syntax(err)
	}
	v, err := r.value(tok)
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return v, nil
}

// decoder is a jsontext.Decoder that is used again.
type decoder struct {
	bytes bytes.Buffer
	json  *jsontext.Decoder
}

var decoders = sync.Pool{New: func() any {
	d := &decoder{}
	d.json = jsontext.NewDecoder(&d.bytes, allowDuplicates)
	return d
}}

// over makes the decoder begin anew.
func (d *decoder) over(data []byte) *jsontext.Decoder {
	d.bytes = *bytes.NewBuffer(data)
	d.json.Reset(&d.bytes, allowDuplicates)
	return d.json
}

// free gives the decoder to whoever is next, and lets the text go.
func (d *decoder) free() {
	d.over(nil)
	decoders.Put(d)
}

// reader walks the tokens of one text. jsontext already refuses invalid UTF-8
// and lone surrogates; the rest is checked here.
type reader struct {
	data   []byte
	copied string // of data; strings and numbers of the result are parts of it
	dec    *jsontext.Decoder
	before int64 // where the token before the present one ended
}

// next reads a token inside an array or object, where the text must not end.
func (r *reader) next() (jsontext.Token, error) {
	r.before = r.dec.InputOffset()
	tok, err := r.dec.ReadToken()
	if err != nil {
		return tok, r.syntax(err)
	}
	return tok, nil
}

// value turns the token that was just read, and what belongs to it, into a value.
func (r *reader) value(tok jsontext.Token) (any, error) {
	switch tok.Kind() {
	case jsontext.KindBeginObject:
		return r.object()
	case jsontext.KindBeginArray:
		return r.array()
	case jsontext.KindString:
		return r.text(tok)
	case jsontext.KindNumber:
		return json.Number(r.sent()), nil
	case jsontext.KindNull:
		return nil, nil //nolint:nilnil // null is nil
	default:
		return tok.Bool(), nil
	}
}

func (r *reader) object() (any, error) {
	if err := r.checkDepth(); err != nil {
		return nil, err
	}
	members := make(map[string]any, r.sizeHint())
	for {
		tok, err := r.next()
		if err != nil {
			return nil, err
		}
		if tok.Kind() == jsontext.KindEndObject {
			return members, nil
		}
		if err := r.member(members, tok); err != nil {
			return nil, err
		}
	}
}

// member reads the value that follows name and adds the pair to members.
func (r *reader) member(members map[string]any, name jsontext.Token) error {
	key := r.unquoted(name)
	if hasNUL(key) {
		return r.fail(CodeNUL, r.dec.StackPointer().Parent(), r.dec.InputOffset())
	}
	if _, seen := members[key]; seen {
		return r.fail(CodeDuplicateKey, r.dec.StackPointer(), r.dec.InputOffset())
	}
	tok, err := r.next()
	if err != nil {
		return err
	}
	members[key], err = r.value(tok)
	return err
}

func (r *reader) array() (any, error) {
	if err := r.checkDepth(); err != nil {
		return nil, err
	}
	items := []any{}
	for {
		tok, err := r.next()
		if err != nil {
			return nil, err
		}
		if tok.Kind() == jsontext.KindEndArray {
			return items, nil
		}
		item, err := r.value(tok)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

func (r *reader) text(tok jsontext.Token) (any, error) {
	s := r.unquoted(tok)
	if hasNUL(s) {
		return nil, r.fail(CodeNUL, r.dec.StackPointer(), r.dec.InputOffset())
	}
	return s, nil
}

// sent is the string or number that was just read, as it was sent: between two tokens there is nothing but white space and
// one comma or colon.
func (r *reader) sent() string {
	return strings.TrimLeft(r.copied[r.before:r.dec.InputOffset()], " \t\r\n,:")
}

// unquoted is the string that was just read. One without escapes needs no memory of its own.
func (r *reader) unquoted(tok jsontext.Token) string {
	sent := r.sent()
	if strings.IndexByte(sent, '\\') >= 0 {
		return tok.String()
	}
	return sent[1 : len(sent)-1]
}

// sizeHint is a guess at how many members the outermost object has. Those in it are small.
func (r *reader) sizeHint() int {
	const perMember, most = 40, 24
	if r.dec.StackDepth() > 1 {
		return 0
	}
	return min(len(r.data)/perMember, most)
}

func (r *reader) checkDepth() error {
	if r.dec.StackDepth() <= MaxDepth {
		return nil
	}
	return r.fail(CodeDepth, r.dec.StackPointer(), r.dec.InputOffset())
}

// end makes sure that only white space follows the value.
func (r *reader) end() error {
	offset := r.dec.InputOffset()
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return r.fail(CodeTrailingData, "", offset)
	}
	return nil
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }
