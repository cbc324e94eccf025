package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// loadOrder is what the clients are to do.
type loadOrder struct {
	Work     string        `json:"work"`
	URL      string        `json:"url"`
	Tokens   []string      `json:"tokens"` // one after the other, one for each request
	Clients  int           `json:"clients"`
	Warm     time.Duration `json:"warm"` // at least; each token has had some turns then
	Duration time.Duration `json:"duration"`
	School   school        `json:"school"`
}

// loadReport is what came of it.
type loadReport struct {
	Requests   uint64        `json:"requests"`
	Rate       float64       `json:"rate"` // answers as they should be, a second
	P50        time.Duration `json:"p50"`
	P95        time.Duration `json:"p95"`
	P99        time.Duration `json:"p99"`
	Unexpected uint64        `json:"unexpected"` // answers with another status, or none
	Sample     string        `json:"sample"`     // one of them
}

// runLoad is the process of the clients. It says when they are warm, and waits for another line before it measures.
func runLoad(in io.Reader, out io.Writer) error {
	var order loadOrder
	lines := json.NewDecoder(in)
	if err := lines.Decode(&order); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	w, err := workOf(order.Work)
	if err != nil {
		return err
	}
	a := newAttack(order, w)
	if err := a.warm(order); err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode("warm"); err != nil {
		return fmt.Errorf("say that the clients are warm: %w", err)
	}
	var begin string
	if err := lines.Decode(&begin); err != nil {
		return fmt.Errorf("wait to begin: %w", err)
	}
	if err := answers.Encode(a.run(order.Duration)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_ = lines.Decode(&begin) // until the end: what this process has used is read meanwhile
	return nil
}

// attack is a closed loop: each client has one connection, and sends the next request when it has the answer.
type attack struct {
	sent     *atomic.Int64
	work     work
	workers  uint64
	client   *http.Client // one for all runs, so that its connections stay
	targeter vegeta.Targeter
}

const requestTimeout = 10 * time.Second

func newAttack(o loadOrder, w work) attack {
	sent := &atomic.Int64{}
	return attack{
		sent: sent, work: w, workers: uint64(o.Clients),
		client: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxConnsPerHost: o.Clients, MaxIdleConnsPerHost: o.Clients, DisableCompression: true}},
		targeter: func(t *vegeta.Target) error {
			n := int(sent.Add(1))
			*t = w.target(o.School, n)
			t.URL = o.URL + t.URL
			if t.Header == nil {
				t.Header = http.Header{}
			}
			t.Header.Set("Authorization", "Bearer "+o.Tokens[n%len(o.Tokens)])
			return nil
		},
	}
}

// turnsToWarm is how often each tenant is asked before anything is measured: most of them meet most of their connections.
const turnsToWarm = 3

func (a attack) warm(o loadOrder) error {
	for first := true; first || a.sent.Load() < int64(turnsToWarm*len(o.Tokens)); first = false {
		if warm := a.run(o.Warm); warm.Unexpected > 0 {
			return fmt.Errorf("%s while warming up: %s", a.work.name, warm.Sample)
		}
	}
	return nil
}

func (a attack) run(d time.Duration) loadReport {
	attacker := vegeta.NewAttacker(vegeta.Client(a.client), vegeta.Workers(a.workers), vegeta.MaxWorkers(a.workers))
	var m vegeta.Metrics
	var r loadReport
	for answer := range attacker.Attack(a.targeter, vegeta.ConstantPacer{}, d, a.work.name) {
		m.Add(answer)
		if answer.Code != a.work.status {
			r.Unexpected++
			r.Sample = fmt.Sprintf("status %d %s %s", answer.Code, answer.Error, answer.Body)
		}
	}
	m.Close()
	r.Requests, r.P50, r.P95, r.P99 = m.Requests, m.Latencies.P50, m.Latencies.P95, m.Latencies.P99
	r.Rate = float64(r.Requests-r.Unexpected) / (m.Duration + m.Wait).Seconds()
	return r
}
