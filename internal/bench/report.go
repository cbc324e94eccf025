package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mostMemory is the goal for the service's memory, in bytes.
const mostMemory = 60 << 20

// markdown is the report: three tables.
func (r *result) markdown() string {
	var b strings.Builder
	o := r.options
	fmt.Fprintf(&b, "%d students, %d connections, medians of %d rounds of %v each; requests a second.\n\n", o.size.Students, o.clients, o.rounds, o.duration)
	b.WriteString("| work | service | floor | pgbench | service to floor | goal | service to pgbench | goal |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, w := range r.works() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", w.title, r.rate(w.name, theService), r.rate(w.name, theFloor), r.rate(w.name, thePgbench),
			times(r.ratio(w.name, theFloor)), times(w.floor), times(r.ratio(w.name, thePgbench)), times(w.pgbench))
	}
	r.latencies(&b)
	r.costs(&b)
	return b.String()
}

// works are those that were done.
func (r *result) works() (done []work) {
	for _, w := range works {
		if r.options.wants(w.name) {
			done = append(done, w)
		}
	}
	return done
}

func (r *result) rate(work string, p party) string {
	if !r.has(work, p) {
		return "-"
	}
	return thousands(int64(r.median(work, p).rate + 0.5))
}

// thousands is a number with a comma before every three digits.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// times is a ratio; zero is none.
func times(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratio)
}

func (r *result) latencies(b *strings.Builder) {
	b.WriteString("\nTime to the answer, as the clients see it, in milliseconds. The service's p99 should not be more than the floor's.\n\n" +
		"| work | service p50 | p95 | p99 | floor p50 | p95 | p99 |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, w := range r.works() {
		s, f := r.median(w.name, theService), r.median(w.name, theFloor)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", w.title,
			milliseconds(s.p50), milliseconds(s.p95), milliseconds(s.p99), milliseconds(f.p50), milliseconds(f.p95), milliseconds(f.p99))
	}
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}

func (r *result) costs(b *strings.Builder) {
	fmt.Fprintf(b, "\nProcessor time for each request, in microseconds, and the most memory that a server had resident, in MiB (the service's goal: less than %d).\n\n"+
		"| work | service | floor | PostgreSQL for the service | for the floor | for pgbench | clients of the service | service, MiB | floor, MiB |\n"+
		"|---|--:|--:|--:|--:|--:|--:|--:|--:|\n", mostMemory>>20)
	for _, w := range r.works() {
		s, f := r.median(w.name, theService), r.median(w.name, theFloor)
		forPgbench := "-"
		if r.has(w.name, thePgbench) {
			forPgbench = microseconds(r.median(w.name, thePgbench).database)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %d | %d |\n", w.title, microseconds(s.server), microseconds(f.server),
			microseconds(s.database), microseconds(f.database), forPgbench, microseconds(s.clients), s.memory>>20, f.memory>>20)
	}
}

func microseconds(d time.Duration) string { return thousands(d.Microseconds()) }

// What stands between these lines of a page is this program's.
const (
	beginMarker = "<!-- bench: begin -->"
	endMarker   = "<!-- bench: end -->"
)

func replaceBetweenMarkers(page, text string) error {
	content, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	before, rest, found := strings.Cut(string(content), beginMarker)
	_, after, ended := strings.Cut(rest, endMarker)
	if !found || !ended {
		return errors.New(page + " lacks the lines " + beginMarker + " and " + endMarker)
	}
	content = []byte(before + beginMarker + "\n" + text + endMarker + after)
	if err := os.WriteFile(filepath.Clean(page), content, 0o644); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
