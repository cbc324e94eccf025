package seed

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// places are where all students of the school sit, in their order.
func (s school) places() []place { return slices.Concat(places, s.more) }

// nth is the id of the i-th student, or of what belongs to one, from 0: 601 to 624, then 6025 and so on.
func nth(hundred, i int) uuid.UUID {
	if i < len(ashaVidyalaya.students) {
		return numbered(hundred + i + 1)
	}
	return numbered(hundred*10 + i + 1)
}

// admissionNumber leaves the numbers from 2026-025 to what the examples admit.
func admissionNumber(i int) string {
	if i < len(ashaVidyalaya.students) {
		return fmt.Sprintf("2026-%03d", i+1)
	}
	return fmt.Sprintf("2026-1%03d", i+1)
}

// student is the i-th student: one of the examples, or one with a made-up name.
func (s school) student(i int) person {
	if i < len(s.students) {
		return s.students[i]
	}
	return person{first: firstNames[i*7%len(firstNames)], last: lastNames[i*11%len(lastNames)]}
}

// The numbers of names have no common divisor: a pair comes again only after all.
var (
	firstNames = []string{
		"Aanya", "Advait", "Bhavya", "Chetan", "Deepika", "Eshan", "Farhan", "Gauri", "Harsh", "Isha", "Jatin", "Kavya", "Lakshay", "Meher",
		"Nakul", "Ojas", "Pari", "Rehan", "Riya", "Samar", "Sara", "Tanvi", "Tejas", "Uday", "Veda", "Yash", "Zoya", "Amaira", "Ritvik",
	}
	lastNames = []string{
		"Agarwal", "Bhaskar", "Chauhan", "Deshmukh", "Dias", "Fernandes", "Ghosh", "Gowda", "Iyengar", "Jain", "Kamath", "Lobo", "Mishra",
		"Naik", "Prasad", "Qureshi", "Rathore", "Saxena", "Shetty", "Tiwari", "Varghese", "Wadia", "Yadav",
	}
)
