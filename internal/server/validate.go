package server

import (
	"bytes"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/contract"
)

// validator holds every answer against the document before it is sent (ROLLCALL_VALIDATE_RESPONSES). One that breaks it
// is a fault of ours: the client gets a 500, the log the places and the rules. Answers are kept until they are complete,
// which is what it costs; without it the middleware is not there at all.
type validator struct {
	contract   *contract.Contract
	operations map[string]*contract.Operation // by method and echo's path
	checked    *prometheus.CounterVec
}

func newValidator(c *contract.Contract, metrics prometheus.Registerer) (*validator, error) {
	v := &validator{
		contract: c, operations: make(map[string]*contract.Operation, len(c.Operations)),
		checked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_responses_validated_total", Help: "Answers held against the document, by whether they are what it says.",
		}, []string{"valid"}),
	}
	for _, op := range c.Operations {
		v.operations[op.Method+" "+echoPath(op.Path)] = op
	}
	return v, metrics.Register(v.checked)
}

// validationOf is the middleware that validates, if that is wanted.
func validationOf(d Dependencies) ([]echo.MiddlewareFunc, error) {
	if !d.ValidateResponses {
		return nil, nil
	}
	v, err := newValidator(d.Contract, d.Metrics)
	if err != nil {
		return nil, err
	}
	return []echo.MiddlewareFunc{v.validate}, nil
}

// validate renders errors itself, so that they are validated like any other answer.
func (v *validator) validate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		response, writer := c.Response(), c.Response().Writer
		header := response.Header().Clone()
		kept := &keptAnswer{ResponseWriter: writer}
		response.Writer = kept
		if err := next(c); err != nil {
			c.Error(err)
		}
		response.Writer = writer
		if err := v.check(c, kept); err != nil {
			response.Committed, response.Status, response.Size = false, 0, 0
			clear(response.Header())
			maps.Copy(response.Header(), header)
			return err
		}
		return kept.send()
	}
}

func (v *validator) check(c echo.Context, a *keptAnswer) error {
	op, known := v.operations[c.Request().Method+" "+c.Path()]
	var err error
	switch {
	case known:
		err = op.CheckResponse(a.status, a.Header(), a.body.Bytes())
	case a.status >= http.StatusBadRequest && v.isProblem(c, a):
		err = v.contract.CheckProblem(a.status, a.Header(), a.body.Bytes())
	default:
		return nil
	}
	valid := "true"
	if err != nil {
		valid = "false"
	}
	v.checked.WithLabelValues(valid).Inc()
	return err
}

// isProblem is true of a failure that is to be a problem: all below /v1, and what says that it is one. What stands outside,
// such as /readyz, may have a form of its own.
func (*validator) isProblem(c echo.Context, a *keptAnswer) bool {
	return strings.HasPrefix(c.Request().URL.Path, "/v1/") || a.Header().Get(echo.HeaderContentType) == "application/problem+json"
}

// keptAnswer is an answer that has not been sent.
type keptAnswer struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (a *keptAnswer) WriteHeader(status int) { a.status = status }

func (a *keptAnswer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.body.Write(p)
}

func (a *keptAnswer) send() error {
	if a.status == 0 {
		return nil // a handler that wrote nothing; net/http answers 200
	}
	a.ResponseWriter.WriteHeader(a.status)
	_, err := a.ResponseWriter.Write(a.body.Bytes())
	return err
}
