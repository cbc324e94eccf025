// Package replay sends every example of openapi.yaml to a server and holds the answers against the document.
//
// The document is the script. For each operation there are its examples (a request, and the answer of the same name), its
// negative examples (a bad request, and the errors it must get), and probes: the requests that the document implies for a
// status by itself, such as one without a sign-in for 401. Script makes the steps and their order; Run sends them.
//
// Examples tell one story. An id that an answer of 201 shows and its request does not is a name for whatever id the
// server makes: wherever another example has it, the real one is sent and expected, and the other example comes later. The
// same holds of secrets (x-pii: secret), and of values that may be taken once (x-unique), which are different in every run.
// So a run never collides with the one before, and examples stay requests that can be copied as they are.
//
// What a run writes it takes back: a row that it made is deleted, or else closed; a row that it changed gets the values
// that it had. Result.Left says what no operation can take back.
package replay

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// Config says what is replayed, and against what.
type Config struct {
	BaseURL  string // without a slash at its end
	Client   *http.Client
	Contract *contract.Contract
	Tenant   string // stands in for the tenant that the sign-ins of the document name; empty: that one
	// Tag and Operation choose what is replayed; empty is everything. What it needs runs too, and is not reported.
	Tag, Operation string
	Keep           bool // leave what was written
	// Fresh is for a tenant that nobody has used since it was seeded: lists have exactly the rows of their examples then,
	// and not at least those.
	Fresh bool
	// Snapshot is anything that differs when something was written; it is compared before and after each bad request. Nil:
	// not looked at, because only whoever has the database can.
	Snapshot func() any
	// Progress hears of each step, before it is sent. Nil: nobody listens.
	Progress func(done, all int, operation string)
}

// Result is what a run found.
type Result struct {
	BaseURL    string        `json:"baseUrl"`
	Operations []*Operation  `json:"operations"`
	Coverage   Coverage      `json:"coverage"`
	Left       []string      `json:"left"`
	Requests   int           `json:"requests"`
	Failures   int           `json:"failures"`
	Took       time.Duration `json:"took"`   // nanoseconds
	Waited     time.Duration `json:"waited"` // of it for rate limits
}

// Operation is what a run found of one operation.
type Operation struct {
	ID     string  `json:"id"`
	Method string  `json:"method"`
	Path   string  `json:"path"`
	Tag    string  `json:"tag"`
	Steps  []*Step `json:"steps"`
}

// Step is what a run found of one example or probe.
type Step struct {
	Name     string        `json:"name"`
	Kind     Kind          `json:"kind"`
	Status   int           `json:"status"` // the expected one
	Failures []Difference  `json:"failures,omitempty"`
	Took     time.Duration `json:"took"` // nanoseconds
}

// Kind is where a step comes from.
type Kind string

// The kinds.
const (
	Example  Kind = "example"
	Negative Kind = "negative example"
	Probe    Kind = "probe"
)

// Difference is one thing that is not as the document says.
type Difference struct {
	Where    string `json:"where"` // "status", "header X", or an RFC 6901 pointer into the body
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
}

// Passed is true when nothing differs and nothing of the document was left out.
func (r *Result) Passed() bool { return r.Failures == 0 && len(r.Coverage.Missing) == 0 }

// ErrNothingChosen is a tag or an operation that the document does not have.
var ErrNothingChosen = errors.New("the document has no such operation")

// Run replays. Its error is for a run that could not take place at all; what differs is in the Result. When ctx ends, what
// was written is still taken back.
func Run(ctx context.Context, c Config) (*Result, error) {
	script, err := newScript(c.Contract)
	if err != nil {
		return nil, err
	}
	chosen := script.choose(c.Tag, c.Operation)
	if len(chosen) == 0 {
		return nil, ErrNothingChosen
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: time.Minute}
	}
	start := time.Now()
	r := newRunner(c, script)
	r.play(ctx, chosen)
	if !c.Keep {
		r.cleanUp(context.WithoutCancel(ctx))
	}
	result := r.result(chosen)
	result.Took = time.Since(start)
	return result, ctx.Err()
}
