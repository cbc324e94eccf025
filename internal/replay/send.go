package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// outgoing is a request with real values.
type outgoing struct {
	op      *contract.Operation
	path    map[string]string
	query   map[string]string
	headers map[string]string
	token   string
	body    []byte // nil: none
	media   string
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	raw    []byte
	json   any
}

// mostWaits bounds how often one request is repeated because of a rate limit.
const mostWaits = 20

// sender sends requests, one after another, and waits where a rate limit says so.
type sender struct {
	baseURL  string
	client   *http.Client
	requests int
	waited   time.Duration
}

func (s *sender) send(ctx context.Context, o outgoing) (answer, error) {
	for range mostWaits {
		a, err := s.once(ctx, o)
		if err != nil || a.status != http.StatusTooManyRequests {
			return a, err
		}
		if err := s.wait(ctx, a.header.Get("Retry-After")); err != nil {
			return answer{}, err
		}
	}
	return answer{}, fmt.Errorf("%s: still too many requests after waiting %d times", o.op.ID, mostWaits)
}

func (s *sender) wait(ctx context.Context, retryAfter string) error {
	seconds, err := strconv.Atoi(retryAfter)
	if err != nil {
		seconds = 1
	}
	return s.pause(ctx, time.Duration(max(1, seconds))*time.Second)
}

// pause waits, and counts it.
func (s *sender) pause(ctx context.Context, d time.Duration) error {
	s.waited += max(0, d)
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sender) once(ctx context.Context, o outgoing) (answer, error) {
	s.requests++
	request, err := http.NewRequestWithContext(ctx, o.op.Method, s.baseURL+o.target(), o.reader())
	if err != nil {
		return answer{}, err
	}
	if o.body != nil {
		request.Header.Set("Content-Type", o.media)
	}
	if o.token != "" {
		request.Header.Set("Authorization", "Bearer "+o.token)
	}
	for name, value := range o.headers {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode, header: response.Header}
	if a.raw, err = io.ReadAll(response.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(a.raw, &a.json) // what is no JSON stays nil, and differs from any example
	return a, nil
}

func (o outgoing) reader() io.Reader {
	if o.body == nil {
		return nil
	}
	return bytes.NewReader(o.body)
}

// target is the path with its parameters, and the query.
func (o outgoing) target() string {
	path := o.op.Path
	for name, value := range o.path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	if len(o.query) == 0 {
		return path
	}
	query := url.Values{}
	for name, value := range o.query {
		query.Set(name, value)
	}
	return path + "?" + query.Encode()
}
