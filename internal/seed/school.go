package seed

import "github.com/google/uuid"

// school is one demo tenant: the same structure, other people.
type school struct {
	id           uuid.UUID
	slug, name   string
	domain       string // of e-mail addresses
	institutions [3]named
	staff        []person
	teachers     []person // of one section each, without a sign-in
	students     []person // of the examples
	more         []place  // where further students sit, with made-up names
	marked       span     // the days of which there are registers
}

type named struct{ name, code string }

type person struct{ first, last, role string }

var ashaVidyalaya = school{
	id: DemoTenant, slug: "demo", name: "Asha Vidyalaya", domain: "demo.school",
	institutions: [3]named{{"Asha Vidyalaya Main Campus", "MAIN"}, {"Asha Vidyalaya Lake Campus", "LAKE"}, {"Old Town Campus", "OLD"}},
	staff: []person{
		{"Meera", "Iyer", "admin"}, {"Ravi", "Kapoor", "registrar"}, {"Anita", "Desai", "teacher"}, {"Sunita", "Verma", "guardian"},
	},
	teachers: people(
		"Latha Krishnan", "Joseph Mathew", "Farida Sheikh", "Suresh Gowda", "Padma Rangan", "Vikram Solanki", "Neha Bhatia", "Gopal Mishra",
		"Shanti Fernandes", "Harish Naidu", "Ruth Pereira",
	),
	more: []place{
		{101, 201, 302, 403, 19},
		{101, 201, 302, 404, 21},
		{101, 201, 301, 401, 21},
		{101, 201, 301, 402, 22},
		{101, 201, 303, 405, 22},
		{101, 201, 306, 408, 25},
		{101, 201, 307, 409, 25},
		{101, 201, 308, 410, 25},
		{101, 201, 309, 411, 24},
		{101, 201, 310, 412, 24},
		{101, 201, 311, 413, 24},
		{101, 201, 312, 414, 24},
	},
	marked: span{date(2026, 6, 8), date(2026, 9, 30)},
	students: people(
		"Asha Verma", "Rohan Mehta", "Diya Patel", "Kabir Singh", "Ananya Rao", "Vihaan Gupta", "Ishaan Nair", "Saanvi Joshi",
		"Aarav Menon", "Zara Khan", "Aditya Bose", "Myra Pillai", "Arjun Reddy", "Kiara Shah", "Reyansh Das", "Anika Kulkarni",
		"Vivaan Chopra", "Navya Bhat", "Dhruv Malhotra", "Tara Sen", "Kunal Hegde", "Leela Thomas", "Omkar Patil", "Nisha Dutta",
	),
}

var lindenhof = school{
	id: Demo2Tenant, slug: "demo2", name: "Lindenhof", domain: "demo.school",
	institutions: [3]named{{"Lindenhof Nord", "NORD"}, {"Lindenhof Am See", "SEE"}, {"Alte Schule", "ALT"}},
	staff: []person{
		{"Greta", "Vogel", "admin"}, {"Jonas", "Brandt", "registrar"}, {"Clara", "Winter", "teacher"}, {"Paula", "Keller", "guardian"},
	},
	students: people(
		"Bruno Keller", "Emma Schulz", "Felix Braun", "Hanna Wolf", "Jakob Peters", "Klara Lang", "Leon Fuchs", "Mia Krause",
		"Noah Simon", "Olga Frank", "Paul Albrecht", "Rosa Ludwig", "Samuel Böhm", "Thea Winkler", "Udo Lorenz", "Vera Baumann",
		"Wim Jansen", "Xenia Roth", "Yannick Busch", "Zoe Horn", "Anton Pohl", "Britta Sauer", "Carl Engel", "Dana Voigt",
	),
	marked: span{date(2026, 9, 28), date(2026, 9, 30)},
}

// subjects of both schools. Nothing refers to Drama.
var subjects = []struct {
	institution int
	name, code  string
}{
	{101, "English", "ENG"},
	{101, "Mathematics", "MATH"},
	{101, "Science", "SCI"},
	{101, "Social Studies", "SOC"},
	{101, "Computer Science", "CS"},
	{101, "Drama", "DRAMA"},
	{102, "English", "ENG"},
	{102, "Mathematics", "MATH"},
	{102, "Science", "SCI"},
}

// place is where a run of students sits.
type place struct{ institution, year, class, section, students int }

// places in the order of the students: their numbers add up to all of them.
var places = []place{
	{101, 201, 302, 403, 6},
	{101, 201, 302, 404, 4},
	{101, 201, 301, 401, 4},
	{101, 201, 301, 402, 3},
	{101, 201, 303, 405, 3},
	{102, 203, 304, 406, 4},
}
