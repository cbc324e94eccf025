package main

import (
	"slices"
	"time"
)

// sample is what one of the parties did at one work, once.
type sample struct {
	rate                      float64 // requests a second
	p50, p95, p99             time.Duration
	server, database, clients time.Duration // processor time for each request
	memory                    int64         // the server's peak, bytes
}

func newSample(r loadReport, u used) sample {
	each := func(total time.Duration) time.Duration { return total / time.Duration(max(r.Requests, 1)) }
	return sample{
		rate: r.Rate, p50: r.P50, p95: r.P95, p99: r.P99,
		server: each(u.server), database: each(u.database), clients: each(u.clients), memory: u.memory,
	}
}

// cell is a work and who did it.
type cell struct {
	work  string
	party party
}

// result is all samples of a run.
type result struct {
	options options
	samples map[cell][]sample
}

func newResult(o options) *result { return &result{options: o, samples: map[cell][]sample{}} }

func (r *result) add(work string, p party, s sample) {
	r.samples[cell{work, p}] = append(r.samples[cell{work, p}], s)
}

// has reports whether a party does a work at all.
func (r *result) has(work string, p party) bool { return len(r.samples[cell{work, p}]) > 0 }

// median is the median of each figure over the rounds; of memory it is the largest.
func (r *result) median(work string, p party) sample {
	all := r.samples[cell{work, p}]
	var m sample
	for _, s := range all {
		m.memory = max(m.memory, s.memory)
	}
	m.rate = middle(all, func(s sample) float64 { return s.rate })
	m.p50 = middle(all, func(s sample) time.Duration { return s.p50 })
	m.p95 = middle(all, func(s sample) time.Duration { return s.p95 })
	m.p99 = middle(all, func(s sample) time.Duration { return s.p99 })
	m.server = middle(all, func(s sample) time.Duration { return s.server })
	m.database = middle(all, func(s sample) time.Duration { return s.database })
	m.clients = middle(all, func(s sample) time.Duration { return s.clients })
	return m
}

func middle[S any, T float64 | time.Duration](all []S, figure func(S) T) T {
	figures := make([]T, len(all))
	for i, s := range all {
		figures[i] = figure(s)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

// ratio is how many times as much the service does as another.
func (r *result) ratio(work string, other party) float64 {
	if !r.has(work, other) {
		return 0
	}
	return r.median(work, theService).rate / r.median(work, other).rate
}
