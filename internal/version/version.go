// Package version says which program this is. A leaf.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// stamped is the release's version, put in by the linker: -ldflags "-X .../internal/version.stamped=v1.2.3".
var stamped string

// Build is what is known of the program.
type Build struct {
	Version  string `json:"version"`        // as stamped, or what Go made of the checkout (v0.0.0-…+dirty); "unknown" without either
	Commit   string `json:"commit"`         // of the checkout it was built from; "unknown" without one
	Time     string `json:"time,omitempty"` // of that commit, RFC 3339
	Modified bool   `json:"modified"`       // the checkout had changes that are in no commit
	Go       string `json:"go"`             // that compiled it
	Platform string `json:"platform"`       // linux/amd64
}

// Read reads it from the program itself.
func Read() Build {
	b := Build{Version: stamped, Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "(devel)" {
		b.Version = cmp.Or(b.Version, info.Main.Version)
	}
	b.Version = cmp.Or(b.Version, "unknown")
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
