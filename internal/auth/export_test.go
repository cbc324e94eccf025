package auth

// Seen is the point in time that Remember remembers from.
func (m *Memory) Seen() uint64 { return m.seen() }

// Remember keeps a principal, as Authenticate does.
func (m *Memory) Remember(c Credential, since uint64, p Principal) {
	m.remember(c.Digest(), since, p, "state")
}

// Confirm is what a guard that holds does.
func (m *Memory) Confirm(c Credential) { m.confirm(c.Digest(), "state") }

// Hearing says whether changes are heard of.
func (m *Memory) Hearing(hears bool) { m.hearing(hears) }

// Heard tells of a change.
func (m *Memory) Heard(change string) { m.heard(change) }
