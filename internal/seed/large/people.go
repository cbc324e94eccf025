package large

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

const sessionsPerStaff = 10

func (g generator) staff() int { return administrators + g.schools*staffPerSchool }

// family is the number of a student's family: the ninth of ten has the tenth for a sibling, in the grade's other end.
func family(i int) int {
	if i%10 == 9 {
		return i - 1
	}
	return i
}

func familyName(i int) string { return pickEarly(chance(guardianKind, family(i)), families) }

// hasSignIn tells the families whose mother signs in.
func hasSignIn(family int) bool { return family%20 == 0 }

func hasFather(family int) bool { return chance(guardianUserKind, family).Float64() < 0.6 }

// eachFamily calls yield with the number of every family.
func (g generator) eachFamily(yield func(f int) bool) {
	for i := range g.Students {
		if family(i) == i && !yield(i) {
			return
		}
	}
}

func (g generator) roles(yield func([]any) bool) {
	yield([]any{deskRole, "Front Office", "front office", []string{"academic:read", "students:read"}, "institutions", epoch, epoch})
}

var deskRole = madeID(assignmentKind, 0)

func (g generator) password() *string {
	if g.PasswordHash == "" {
		return nil
	}
	return &g.PasswordHash
}

func (g generator) users(yield func([]any) bool) {
	for n := range g.staff() {
		c := chance(staffKind, n)
		if !yield([]any{madeID(staffKind, n), staffEmail(n), pick(c, mothers), pickEarly(c, families), g.password(), epoch, epoch}) {
			return
		}
	}
	for i := range g.Students {
		s := g.student(i)
		if !yield([]any{s.user, s.email, s.first, s.last, nil, s.created, s.created}) {
			return
		}
	}
	g.eachFamily(func(f int) bool {
		if !hasSignIn(f) {
			return true
		}
		return yield([]any{madeID(guardianUserKind, f), guardianEmail(f), motherName(f), familyName(f), g.password(), epoch, epoch})
	})
}

// staffEmail is the sign-in of a member of the staff: admin-1, registrar-00001 of the first school, teacher-00001-01 and so on.
func staffEmail(n int) string {
	const domain = "@staff.example"
	if n < administrators {
		return fmt.Sprintf("admin-%d%s", n+1, domain)
	}
	k, s := (n-administrators)/staffPerSchool, (n-administrators)%staffPerSchool
	switch s {
	case 0:
		return fmt.Sprintf("registrar-%05d%s", k+1, domain)
	case 1:
		return fmt.Sprintf("desk-%05d%s", k+1, domain)
	default:
		return fmt.Sprintf("teacher-%05d-%02d%s", k+1, s-1, domain)
	}
}

func guardianEmail(f int) string { return fmt.Sprintf("guardian-%07d@parents.example", f+1) }

func motherName(f int) string { return mothers[f%len(mothers)] }

func (g generator) assignments(yield func([]any) bool) {
	n := 0
	give := func(user uuid.UUID, role any, own any, institution any) bool {
		n++
		return yield([]any{madeID(assignmentKind, n), user, role, own, institution})
	}
	for a := range administrators {
		if !give(madeID(staffKind, a), "admin", nil, nil) {
			return
		}
	}
	for k := range g.schools {
		institution := madeID(institutionKind, k)
		if !give(madeID(staffKind, registrarOf(k)), "registrar", nil, institution) || !give(madeID(staffKind, deskOf(k)), nil, deskRole, institution) {
			return
		}
		for s := range sectionsPerSchool {
			if !give(madeID(staffKind, teacherOf(k, s)), "teacher", nil, nil) {
				return
			}
		}
	}
	g.eachFamily(func(f int) bool { return !hasSignIn(f) || give(madeID(guardianUserKind, f), "guardian", nil, nil) })
}

// sessions are over, all of them: nobody has their tokens.
func (g generator) sessions(yield func([]any) bool) {
	for n := range g.staff() * sessionsPerStaff {
		begun := epoch.Add(time.Duration(n) * time.Minute)
		token := digestOf("session", n)
		var ended *time.Time
		if n%2 == 0 {
			ended = new(begun.Add(3 * time.Hour))
		}
		if !yield([]any{
			madeID(sessionKind, n), madeID(staffKind, n/sessionsPerStaff), token, begun, begun.Add(12 * time.Hour), ended, begun.Add(2 * time.Hour),
			fmt.Sprintf("192.0.2.%d", n%250), "Mozilla/5.0", begun,
		}) {
			return
		}
	}
}

// hasFactor tells the members of the staff who have set up a second factor. Nobody has the secrets.
func hasFactor(n int) bool { return n%4 == 0 }

func (g generator) factors(yield func([]any) bool) {
	for n := range g.staff() {
		if hasFactor(n) && !yield([]any{madeID(staffKind, n), []byte("sealed for nobody"), epoch, epoch}) {
			return
		}
	}
}

const codesPerFactor = 10

func (g generator) recoveryCodes(yield func([]any) bool) {
	for n := range g.staff() * codesPerFactor {
		hash := digestOf("recovery code", n)
		if hasFactor(n/codesPerFactor) && !yield([]any{madeID(staffKind, n/codesPerFactor), hash}) {
			return
		}
	}
}

func (g generator) guesses(yield func([]any) bool) {
	for n := range 100 + g.Students/20 {
		subject := digestOf("subject", n)
		if !yield([]any{"login", subject, 1.0, epoch.Add(time.Duration(n) * time.Minute)}) {
			return
		}
	}
}

func (g generator) guardians(yield func([]any) bool) {
	g.eachFamily(func(f int) bool {
		var user, email any
		if hasSignIn(f) {
			user, email = madeID(guardianUserKind, f), guardianEmail(f)
		}
		if !yield([]any{madeID(guardianKind, 2*f), user, motherName(f), familyName(f), email, phone(2 * f), epoch, epoch}) {
			return false
		}
		return !hasFather(f) || yield([]any{madeID(guardianKind, 2*f+1), nil, fathers[f%len(fathers)], familyName(f), nil, phone(2*f + 1), epoch, epoch})
	})
}

// digestOf stands for the digest of something that nobody has.
func digestOf(what string, n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", what, n))
	return sum[:]
}

func phone(n int) string { return fmt.Sprintf("+91 98%03d %05d", n/100_000%1000, n%100_000) }

func (g generator) guardianLinks(yield func([]any) bool) {
	for i := range g.Students {
		f := family(i)
		if !yield([]any{madeID(studentKind, i), madeID(guardianKind, 2*f), "mother", true, int16(0)}) {
			return
		}
		if hasFather(f) && !yield([]any{madeID(studentKind, i), madeID(guardianKind, 2*f+1), "father", false, int16(1)}) {
			return
		}
	}
}

// customFields are what some schools note besides.
func customFields(i int) json.RawMessage {
	if i%4 != 0 {
		return json.RawMessage(`{}`)
	}
	return json.RawMessage(fmt.Sprintf(`{"bus": %d, "house": %q}`, 1+i%30, houses[i/4%len(houses)]))
}
