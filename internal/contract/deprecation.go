package contract

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Deprecation says since when an operation should no longer be used, and from when on it may be gone.
type Deprecation struct{ Since, Sunset time.Time } // both the start of a day in UTC

// The extensions that give a deprecated operation its dates.
const (
	deprecatedSinceKey = "x-deprecated-since"
	sunsetKey          = "x-sunset"
)

// readDeprecation takes the dates of a deprecated operation: without them its callers would not learn of it.
func (op *Operation) readDeprecation() error {
	var since, sunset string
	if err := errors.Join(extension(op.Spec.Extensions, deprecatedSinceKey, &since), extension(op.Spec.Extensions, sunsetKey, &sunset)); err != nil {
		return err
	}
	if !op.Spec.Deprecated || since == "" || sunset == "" {
		return nil // the lint reports half of it
	}
	from, err := time.Parse(time.DateOnly, since)
	if err != nil {
		return fmt.Errorf("%s: %w", deprecatedSinceKey, err)
	}
	until, err := time.Parse(time.DateOnly, sunset)
	if err != nil {
		return fmt.Errorf("%s: %w", sunsetKey, err)
	}
	op.Deprecation = &Deprecation{Since: from, Sunset: until}
	return nil
}

// Announce puts the dates into the header of an answer: Deprecation (RFC 9745) and Sunset (RFC 8594). A nil one adds nothing.
func (d *Deprecation) Announce(header http.Header) {
	if d == nil {
		return
	}
	header.Set("Deprecation", fmt.Sprintf("@%d", d.Since.Unix()))
	header.Set("Sunset", d.Sunset.Format(http.TimeFormat))
}

// deprecation wants both dates of a deprecated operation, in their order, and none of another.
func (l *linter) deprecation(op *Operation) {
	_, since := op.Spec.Extensions[deprecatedSinceKey]
	_, sunset := op.Spec.Extensions[sunsetKey]
	switch {
	case !op.Spec.Deprecated && (since || sunset):
		l.addf(op.place(), "%s, %s; only what is deprecated: true has them", deprecatedSinceKey, sunsetKey)
	case op.Spec.Deprecated && (!since || !sunset):
		l.addf(op.place(), "deprecated; say since when (%s) and until when it stays (%s)", deprecatedSinceKey, sunsetKey)
	case op.Deprecation != nil && !op.Deprecation.Sunset.After(op.Deprecation.Since):
		l.addf(op.place(), "%s; a day after %s", sunsetKey, deprecatedSinceKey)
	}
}
