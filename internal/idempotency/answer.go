package idempotency

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
)

// Answer is a response as it was sent.
type Answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"` // those of the operation
	Body   []byte      `json:"-"`
}

// mostBytes bounds a stored answer. The largest is that to an admission of a hundred, whose request may have 2 MiB.
const mostBytes = 16 << 20

var errTooLarge = errors.New("the answer is too large to be kept")

// record is what render writes: a line of JSON for status and headers, then the body.
func record(render func(http.ResponseWriter) error) ([]byte, error) {
	w := &recorder{Answer: Answer{Status: http.StatusOK, Header: http.Header{}}}
	if err := render(w); err != nil {
		return nil, fmt.Errorf("render the answer: %w", err)
	}
	head, err := json.Marshal(w.Answer)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return append(append(head, '\n'), w.Body...), nil
}

func parse(kept []byte) (Answer, error) {
	head, body, _ := bytes.Cut(kept, []byte{'\n'})
	answer := Answer{Body: body}
	if err := json.Unmarshal(head, &answer); err != nil {
		return Answer{}, fmt.Errorf("decode the answer: %w", err)
	}
	return answer, nil
}

// Send writes the answer.
func (a Answer) Send(w http.ResponseWriter) error {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, err := w.Write(a.Body)
	return err
}

// recorder is a response that is kept instead of being sent.
type recorder struct{ Answer }

func (r *recorder) Header() http.Header { return r.Answer.Header }

func (r *recorder) WriteHeader(status int) { r.Status = status }

func (r *recorder) Write(p []byte) (int, error) {
	if len(r.Body)+len(p) > mostBytes {
		return 0, errTooLarge
	}
	r.Body = append(r.Body, p...)
	return len(p), nil
}
