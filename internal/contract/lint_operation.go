package contract

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

var (
	camelCase = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
	kebabCase = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	status    = regexp.MustCompile(`^[1-5][0-9]{2}$`)
)

// tiers checks that a rate tier says how many requests it allows in what time.
func (l *linter) tiers() {
	for name, tier := range l.rateTiers() {
		if per, err := time.ParseDuration(tier.Per); err != nil || per <= 0 || tier.Requests <= 0 {
			l.addf("x-rate-tiers", "%s; give it a number of requests, and a duration such as 1m as per", name)
		}
	}
}

func (l *linter) rateTiers() map[string]rateTier {
	var tiers map[string]rateTier
	if err := extension(l.Document.Extensions, "x-rate-tiers", &tiers); err != nil {
		l.addf("x-rate-tiers", "write each as {requests: 600, per: 1m}: %v", err)
	}
	return tiers
}

func (l *linter) paths() {
	for path := range l.Document.Paths.Map() {
		for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			name, isParameter := strings.CutPrefix(strings.TrimSuffix(segment, "}"), "{")
			if isParameter && !camelCase.MatchString(name) {
				l.addf(path, "parameter %s; write it in camelCase", name)
			}
			if !isParameter && !kebabCase.MatchString(segment) {
				l.addf(path, "segment %s; write it in kebab-case", segment)
			}
		}
	}
}

// place is how findings call an operation.
func (op *Operation) place() string {
	if op.ID == "" {
		return op.Method + " " + op.Path
	}
	return op.ID
}

func (l *linter) operation(op *Operation) {
	l.words(op)
	l.deprecation(op)
	l.tag(op)
	l.statuses(op)
	l.repetition(op)
	l.parameters(op)
	if op.Spec.RequestBody != nil {
		l.body(op)
	}
	l.responseExamples(op)
	l.links(op)
	l.negativeExamples(op)
	l.replay(op)
}

func (l *linter) words(op *Operation) {
	if !camelCase.MatchString(op.ID) {
		l.addf(op.place(), "give it an operationId in camelCase")
	}
	if op.Spec.Summary == "" {
		l.addf(op.place(), "give it a summary")
	}
	if op.Spec.Description == "" {
		l.addf(op.place(), "give it a description")
	}
	if _, declared := l.rateTiers()[op.RateTier.Name]; !declared {
		l.addf(op.place(), "give it an x-rate-tier that x-rate-tiers declares")
	}
}

func (l *linter) tag(op *Operation) {
	if len(op.Spec.Tags) != 1 {
		l.addf(op.place(), "give it exactly one tag")
		return
	}
	if l.Document.Tags.Get(op.Tag) == nil {
		l.addf(op.place(), "tag %s; declare it in tags", op.Tag)
	}
}

// statusRules say which answers an operation documents, and why.
var statusRules = []struct {
	status, because string
	applies         func(*Operation) bool
}{
	{"400", "every request can be malformed", func(*Operation) bool { return true }},
	{"401", "it needs a sign-in, or is one", func(op *Operation) bool { return !op.Public || op.RateTier.Name == "login" }},
	{"403", "it needs a permission or a second factor, or changes something", func(op *Operation) bool {
		return op.Permission != "" || !op.Public && !op.MFAExempt || op.Method != http.MethodGet
	}},
	{"404", "its path has a parameter", func(op *Operation) bool { return strings.Contains(op.Path, "{") }},
	{"409", "it writes what it is sent", func(op *Operation) bool { return op.Spec.RequestBody != nil && !op.Public }},
	{"409", "the first request may be in progress", func(op *Operation) bool { return op.TakesKey }},
	{"422", "its key may be another request's", func(op *Operation) bool { return op.TakesKey }},
	{"413", "it takes a body", func(op *Operation) bool { return op.Spec.RequestBody != nil }},
	{"415", "it takes a body", func(op *Operation) bool { return op.Spec.RequestBody != nil }},
	{"500", "every operation can fail", func(*Operation) bool { return true }},
	{"503", "every operation can be unavailable", func(*Operation) bool { return true }},
}

func (l *linter) statuses(op *Operation) {
	documented := op.Spec.Responses
	for _, rule := range statusRules {
		if rule.applies(op) && documented.Value(rule.status) == nil {
			l.addf(op.place(), "document the answer %s: %s", rule.status, rule.because)
		}
	}
	for _, key := range documented.Keys() {
		if !status.MatchString(key) {
			l.addf(op.place(), "response %s; document each status by itself", key)
		}
	}
	if len(op.successes()) == 0 {
		l.addf(op.place(), "document the answer to a good request")
	}
}

// repetition wants that a POST can be repeated, or that the document says why it need not be or must not.
func (l *linter) repetition(op *Operation) {
	var reason string
	if err := extension(op.Spec.Extensions, "x-idempotency-exempt", &reason); err != nil {
		l.addf(op.place(), "x-idempotency-exempt; give the reason in words")
	}
	_, exempt := op.Spec.Extensions["x-idempotency-exempt"]
	switch isPost := op.Method == http.MethodPost; {
	case isPost && !exempt && !op.TakesKey:
		l.addf(op.place(), "let it take the header %s, or say in x-idempotency-exempt why it does not", IdempotencyKey)
	case isPost && exempt && op.TakesKey:
		l.addf(op.place(), "x-idempotency-exempt; it takes the header %s", IdempotencyKey)
	case !isPost && (exempt || op.TakesKey):
		l.addf(op.place(), "%s is for POST; a repeated %s does what it did", IdempotencyKey, op.Method)
	case exempt && len(reason) < 10:
		l.addf(op.place(), "x-idempotency-exempt; give the reason in words")
	case op.TakesKey && op.Public:
		l.addf(op.place(), "%s needs a sign-in: a key is its user's", IdempotencyKey)
	}
}

// successes are the 2xx responses.
func (op *Operation) successes() []*openapi3.Response {
	var responses []*openapi3.Response
	for key, ref := range op.Spec.Responses.Map() {
		if strings.HasPrefix(key, "2") {
			responses = append(responses, ref.Value)
		}
	}
	return responses
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// body checks what surrounds the schemas of a request body; the schemas are checked with everything that is sent.
func (l *linter) body(op *Operation) {
	spec := op.Spec.RequestBody.Value
	if !spec.Required {
		l.addf(op.place(), "requestBody; set required: true, an optional body is not supported")
	}
	for mediaType, content := range spec.Content {
		if isJSON(mediaType) && len(content.Examples) == 0 {
			l.addf(op.place(), "%s; give the request a named example", mediaType)
		}
		l.request(op.place()+" "+mediaType, content.Schema, false)
	}
}

// responseExamples wants examples of the good answers, and for each request example the answer that it gets.
func (l *linter) responseExamples(op *Operation) {
	var answers []string
	answersJSON := false
	for _, response := range op.successes() {
		answers = append(answers, exampleNames(response.Content)...)
		for mediaType, content := range response.Content {
			answersJSON = answersJSON || isJSON(mediaType)
			if isJSON(mediaType) && len(content.Examples) == 0 {
				l.addf(op.place(), "%s; give the good answer a named example", mediaType)
			}
		}
	}
	if !answersJSON || !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, op.Method) {
		return
	}
	for _, name := range op.requestExamples() {
		if !slices.Contains(answers, name) {
			l.addf(op.place(), "request example %s; give a 2xx response an example of this name", name)
		}
	}
}

// requestExamples are the names of the examples of the body.
func (op *Operation) requestExamples() []string {
	if op.Spec.RequestBody == nil {
		return nil
	}
	return exampleNames(op.Spec.RequestBody.Value.Content)
}

func exampleNames(content openapi3.Content) []string {
	var names []string
	for _, mediaType := range content {
		names = slices.AppendSeq(names, maps.Keys(mediaType.Examples))
	}
	return names
}
