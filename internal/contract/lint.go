package contract

import (
	"fmt"
	"maps"
	"slices"
)

// Lint says what the document lacks, sorted, one line each: the place, and what to do there. Compile refuses what the
// server cannot work with; Lint finds what it can work with and nobody should have to: an input without a bound, an
// answer that is not documented, an example that is missing. A test holds the document to it.
func (c *Contract) Lint() []string {
	l := &linter{Contract: c, seen: map[any]bool{}}
	l.roles()
	l.tiers()
	l.paths()
	for _, id := range slices.Sorted(maps.Keys(c.Operations)) {
		l.operation(c.Operations[id])
	}
	l.schemas()
	l.extensions("", "document", l.tree())
	slices.Sort(l.findings)
	return slices.Compact(l.findings)
}

// linter collects findings; seen are the parameters and request schemas that it has been to.
type linter struct {
	*Contract
	findings []string
	seen     map[any]bool
}

func (l *linter) addf(place, format string, args ...any) {
	l.findings = append(l.findings, place+": "+fmt.Sprintf(format, args...))
}

// first is true the first time that it is asked for something.
func (l *linter) first(thing any) bool {
	if l.seen[thing] {
		return false
	}
	l.seen[thing] = true
	return true
}

// roles holds roles, permissions and operations against each other.
func (l *linter) roles() {
	held, used := map[string]bool{}, map[string]bool{}
	for _, op := range l.Operations {
		used[op.Permission] = true
		for _, permission := range op.Further {
			used[permission] = true
		}
	}
	for name, role := range l.Contract.roles {
		l.role(name, role)
		for _, permission := range role.Permissions {
			held[permission] = true
		}
	}
	for permission, purpose := range l.Permissions {
		if purpose == "" {
			l.addf("x-permissions", "%s; say what it is for", permission)
		}
		if !held[permission] {
			l.addf("x-permissions", "no role holds %s; give it to one in x-roles, or remove it", permission)
		}
		if !used[permission] {
			l.addf("x-permissions", "no operation needs %s; remove it", permission)
		}
	}
}

func (l *linter) role(name string, role Role) {
	if role.Description == "" {
		l.addf("x-roles", "%s; give it a description", name)
	}
	for _, permission := range role.Permissions {
		if _, declared := l.Permissions[permission]; !declared {
			l.addf("x-roles", "%s holds %s; declare it in x-permissions", name, permission)
		}
		if role.Reach != ReachInstitutions && l.onlyWholeTenant(permission) {
			l.addf("x-roles", "%s holds %s, which no operation takes from one that reaches only %s; remove it", name, permission, role.Reach)
		}
	}
}

// onlyWholeTenant is true of a permission that is of no use with a limit.
func (l *linter) onlyWholeTenant(permission string) bool {
	needed := false
	for _, op := range l.Operations {
		if op.Permission == permission && !op.WholeTenant {
			return false
		}
		needed = needed || op.Permission == permission
	}
	return needed
}

// rateTier is an entry of x-rate-tiers.
type rateTier struct {
	Requests int    `json:"requests"`
	Per      string `json:"per"`
}
