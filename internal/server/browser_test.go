package server_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// For a loaded machine: a whole test takes some seconds, most steps take some tenths of one.
const (
	browserTimeout = 5 * time.Minute
	stepTimeout    = time.Minute
)

// tab is a page in a browser of its own, with what went wrong on it and what it asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	faults   []string
	requests []string
}

// openTab starts a browser, which has a new profile, reaches nothing but this machine, and ends with the test.
func openTab(t *testing.T) *tab {
	t.Helper()
	path, err := findBrowser()
	require.NoError(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], // headless, no background networking, component updates or sync
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop) // waits until the processes are gone
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)

	opened := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, opened.note))
	return opened
}

func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium, chromium-browser or google-chrome in PATH: run make browser")
}

// note keeps what the browser reports. A violation of the content policy and a failed request are entries of its log.
func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.faults = append(b.faults, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text+" "+describe(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			b.faults = append(b.faults, "console.error: "+describe(e.Args...))
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

func describe(values ...*runtime.RemoteObject) string {
	var text []string
	for _, v := range values {
		if v != nil {
			text = append(text, v.Description+string(v.Value))
		}
	}
	return strings.Join(text, " ")
}

// seen is what note has kept; what the browser reported before it answered is in it.
func (b *tab) seen() (faults, requests []string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[int]("1"))
	require.NoError(b.t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults, b.requests
}

// do does what a person would. When it cannot be done in time, what the page complained of is the likely reason.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.NoError(b.t, err, "%s; errors on the console: %q", what, b.faults)
	}
}

// texts are the visible texts of all elements that match.
func (b *tab) texts(selector string) []string {
	b.t.Helper()
	all, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](
		fmt.Sprintf(`Array.from(document.querySelectorAll(%q), e => e.innerText.trim())`, selector)))
	require.NoError(b.t, err)
	return all
}
