package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-erp/rollcall/internal/seal"
)

// Setting is one variable and what is in effect of it.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"` // a secret shows as [secret], an address without password and parameters
	Default string `json:"default"`
	Bounds  string `json:"bounds,omitempty"`
	// FromEnvironment is whether the environment says it; otherwise it is the default.
	FromEnvironment bool `json:"fromEnvironment"`
}

// reader reads variables, and keeps what it has seen and what was wrong.
type reader struct {
	lookup   Lookup
	settings []Setting
	faults   []error
}

// get is a variable's text, or its default. An empty one is not set.
func (r *reader) get(name, fallback, bounds string) (value string) {
	value, found := r.lookup(name)
	found = found && value != ""
	if !found {
		value = fallback
	}
	r.settings = append(r.settings, Setting{Name: name, Value: value, Default: fallback, Bounds: bounds, FromEnvironment: found})
	return value
}

// show replaces what is shown of the variable that was read last.
func (r *reader) show(value, fallback string) {
	last := &r.settings[len(r.settings)-1]
	last.Value, last.Default = value, fallback
}

func (r *reader) faultf(name, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

func (r *reader) text(name, fallback string) string { return r.get(name, fallback, "") }

func (r *reader) key(name string) Secret {
	key := Secret(r.get(name, "", "32 bytes, base64"))
	r.show(key.String(), "")
	if key == "" {
		return ""
	}
	if _, err := seal.ParseKey(key.Reveal()); err != nil {
		r.faultf(name, "%w", err)
	}
	return key
}

// address is a URL that may hold a password.
func (r *reader) address(name string, fallback Secret) Secret {
	value := Secret(r.get(name, fallback.Reveal(), ""))
	r.show(where(value), where(fallback))
	return value
}

// where is an address without what may be secret in it.
func where(address Secret) string {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" {
		return address.String()
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User.Username() != "" {
		shown.User = url.User(u.User.Username())
	}
	return shown.String()
}

func (r *reader) choice(name, fallback string, choices ...string) string {
	value := r.get(name, fallback, strings.Join(choices, ", "))
	if !slices.Contains(choices, value) {
		r.faultf(name, "want %s or %s", strings.Join(choices[:len(choices)-1], ", "), choices[len(choices)-1])
	}
	return value
}

func (r *reader) yes(name string) bool {
	value, err := strconv.ParseBool(r.get(name, "0", "0, 1"))
	if err != nil {
		r.faultf(name, "want 1 or 0")
	}
	return value
}

// number reads a whole number within bounds.
func (r *reader) number(name string, fallback, least, most int) int {
	n, err := strconv.Atoi(r.get(name, strconv.Itoa(fallback), fmt.Sprintf("%d to %d", least, most)))
	if err != nil || n < least || n > most {
		r.faultf(name, "want a whole number from %d to %d, such as %d", least, most, fallback)
		return fallback
	}
	return n
}

// duration reads a time span within bounds.
func (r *reader) duration(name, fallback string, least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(r.get(name, fallback, span(least)+" to "+span(most)))
	if err != nil || d < least || d > most {
		r.faultf(name, "want a time span from %s to %s, such as %s", span(least), span(most), fallback)
	}
	return d
}

// span writes 5m, not 5m0s.
func span(d time.Duration) string {
	text := d.String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, nothing) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// factor reads a number within bounds.
func (r *reader) factor(name, fallback string, least, most float64) float64 {
	bounds := strconv.FormatFloat(least, 'f', -1, 64) + " to " + strconv.FormatFloat(most, 'f', -1, 64)
	f, err := strconv.ParseFloat(r.get(name, fallback, bounds), 64)
	if err != nil || !(f >= least && f <= most) { // so written, NaN is outside too
		r.faultf(name, "want a number from %s, such as %s", bounds, fallback)
	}
	return f
}

// networks reads a list of networks and single addresses. One that holds every address is refused: it would believe
// whatever anybody says, or reach whatever there is.
func (r *reader) networks(name string) []*net.IPNet {
	var all []*net.IPNet
	for text := range strings.SplitSeq(r.get(name, "", ""), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil {
			prefix, err = address.WithZone("").Prefix(address.BitLen())
		}
		if err != nil || prefix.Bits() == 0 {
			r.faultf(name, "want networks and addresses, such as 10.0.0.0/8, fd00::1")
			return nil
		}
		all = append(all, &net.IPNet{IP: prefix.Masked().Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())})
	}
	return all
}
