package large

import "github.com/google/uuid"

// How many sections a class and an institution have: the n-th section is of class n / SectionsPerClass, and of institution
// n / SectionsPerInstitution.
const (
	SectionsPerClass       = sectionsPerGrade
	SectionsPerInstitution = sectionsPerSchool
)

// Place is where a student can be admitted.
type Place struct{ Institution, Year, Class, Section uuid.UUID }

// Sections is how many sections a tenant of this size has.
func (s Size) Sections() int { return newGenerator(s).schools * sectionsPerSchool }

// Place is the n-th section, counted from 0, in the current year.
func (s Size) Place(n int) Place {
	school := n / sectionsPerSchool
	return Place{
		Institution: madeID(institutionKind, school), Year: newGenerator(s).currentYearOf(school),
		Class: madeID(classKind, n/sectionsPerGrade), Section: madeID(sectionKind, n),
	}
}

// StudentID is the id of the n-th student, counted from 0.
func StudentID(n int) uuid.UUID { return madeID(studentKind, n) }
