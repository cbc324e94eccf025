package strictjson

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The values of [SyntaxError.Code].
const (
	CodeEmpty        = "empty"        // nothing, or only white space
	CodeMalformed    = "malformed"    // not JSON
	CodeTrailingData = "trailingData" // more than one value
	CodeDuplicateKey = "duplicateKey" // a name twice in one object
	CodeInvalidUTF8  = "invalidUtf8"  // bytes that are no UTF-8, or a lone surrogate
	CodeNUL          = "nul"          // an escaped NUL in a string or a name
	CodeDepth        = "depth"        // more than MaxDepth levels
)

// byteOrderMark is malformed by RFC 8259, and common enough for its own message.
const byteOrderMark = "\ufeff"

// messages holds one sentence for each code. None repeats a part of the input.
var messages = map[string]string{
	CodeEmpty:        "The body is empty.",
	CodeMalformed:    "The body is not valid JSON.",
	CodeTrailingData: "There is more after the end of the JSON value.",
	CodeDuplicateKey: "An object has the same name twice.",
	CodeInvalidUTF8:  "The text is not valid UTF-8, or has half of a surrogate pair.",
	CodeNUL:          "A string holds the character U+0000.",
	CodeDepth:        "Arrays and objects are nested more than " + strconv.Itoa(MaxDepth) + " levels deep.",
}

// SyntaxError tells why a text was refused.
type SyntaxError struct {
	// Code is one of the Code constants.
	Code string
	// Pointer is the RFC 6901 pointer to the place, as far as it is known; ""
	// is the whole document. It is made of the sender's own names and can be
	// long: shorten it before logging.
	Pointer string
	// Message is for people, and never contains a part of the input.
	Message string
	// Offset counts the bytes up to the fault. For CodeDuplicateKey, CodeNUL and
	// CodeDepth that includes the name, string or bracket at fault.
	Offset int64
}

// Error returns the message and the offset, and nothing of the input.
func (e *SyntaxError) Error() string {
	return e.Message + " (byte " + strconv.FormatInt(e.Offset, 10) + ")"
}

func (r *reader) fail(code string, at jsontext.Pointer, offset int64) error {
	return &SyntaxError{Code: code, Pointer: string(at), Message: messages[code], Offset: offset}
}

// syntax translates an error of jsontext.
func (r *reader) syntax(err error) error {
	var cause *jsontext.SyntacticError
	if !errors.As(err, &cause) {
		return r.fail(CodeMalformed, "", r.dec.InputOffset())
	}
	e := &SyntaxError{Code: r.code(cause), Pointer: string(cause.JSONPointer), Offset: cause.ByteOffset}
	e.Message = messages[e.Code]
	switch {
	case errors.Is(cause, io.ErrUnexpectedEOF):
		e.Message = "The JSON ends too early."
	case bytes.HasPrefix(r.data, []byte(byteOrderMark)):
		e.Message = "The JSON must not start with a byte order mark."
	}
	return e
}

// code looks at the bytes at fault, because jsontext exports no error value for
// invalid UTF-8.
func (r *reader) code(cause *jsontext.SyntacticError) string {
	at := r.data[min(int(cause.ByteOffset), len(r.data)):]
	switch {
	case errors.Is(cause, io.ErrUnexpectedEOF):
		return CodeMalformed
	case startsInvalid(at), startsSurrogate(at):
		return CodeInvalidUTF8
	default:
		return CodeMalformed
	}
}

func startsInvalid(b []byte) bool {
	r, size := utf8.DecodeRune(b)
	return r == utf8.RuneError && size == 1
}

// startsSurrogate reports whether b starts with an escape like \ud800.
func startsSurrogate(b []byte) bool {
	const escape = len(`\u0000`)
	if len(b) < escape || b[0] != '\\' || b[1] != 'u' {
		return false
	}
	n, err := strconv.ParseUint(string(b[2:escape]), 16, 16)
	return err == nil && utf16.IsSurrogate(rune(n))
}
