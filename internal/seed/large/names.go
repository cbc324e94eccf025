package large

import "math/rand/v2"

// The names of made-up people and places. Family names are drawn with the first ones more often, as in a real school.
var (
	girls = []string{
		"Aadhya", "Aanya", "Aarohi", "Aisha", "Amara", "Ananya", "Anika", "Avni", "Charvi", "Diya", "Eva", "Fatima", "Gauri", "Grace", "Ira",
		"Ishita", "Jasleen", "Kavya", "Kiara", "Lakshmi", "Leela", "Maryam", "Meera", "Myra", "Naina", "Navya", "Nisha", "Pari", "Prisha",
		"Rhea", "Riya", "Saanvi", "Sara", "Shreya", "Siya", "Tanvi", "Tara", "Trisha", "Vanya", "Zoya",
	}
	boys = []string{
		"Aarav", "Aditya", "Advait", "Akash", "Anay", "Arjun", "Armaan", "Aryan", "Ayaan", "Daniel", "Dev", "Dhruv", "Farhan", "Gurveer",
		"Harsh", "Imran", "Ishaan", "Jacob", "Kabir", "Karan", "Kian", "Krishna", "Laksh", "Manav", "Neel", "Nikhil", "Om", "Parth", "Pranav",
		"Reyansh", "Rohan", "Rudra", "Sahil", "Shaurya", "Tejas", "Vedant", "Vihaan", "Vivaan", "Yash", "Zayn",
	}
	mothers = []string{
		"Anjali", "Deepa", "Fauzia", "Geeta", "Heena", "Jaya", "Kamala", "Lata", "Madhuri", "Neha", "Pooja", "Rekha", "Sangeeta", "Shabana", "Sunita", "Usha",
	}
	fathers = []string{
		"Ajay", "Bharat", "Dinesh", "Feroz", "Ganesh", "Harish", "Iqbal", "Jagdish", "Mahesh", "Manoj", "Nitin", "Prakash", "Rajesh", "Suresh", "Thomas", "Vikram",
	}
	families = []string{
		"Sharma", "Kumar", "Patel", "Singh", "Khan", "Reddy", "Nair", "Das", "Gupta", "Iyer", "Joshi", "Rao", "Verma", "Mehta", "Shah", "Menon",
		"Bose", "Pillai", "Kulkarni", "Chopra", "Bhat", "Malhotra", "Sen", "Hegde", "Thomas", "Patil", "Dutta", "Agarwal", "Bhattacharya", "Chauhan",
		"D'Souza", "Deshpande", "Fernandes", "Ghosh", "Gill", "Iqbal", "Jain", "Kapoor", "Kaur", "Lobo", "Mishra", "Mukherjee", "Naidu", "Narayanan",
		"Pandey", "Qureshi", "Rathore", "Saxena", "Sheikh", "Shetty", "Siddiqui", "Subramaniam", "Thakur", "Trivedi", "Upadhyay", "Varghese", "Venkatesan",
		"Wadhwa", "Yadav", "Zaveri",
	}
	patrons = []string{"Saraswati", "Nalanda", "Tagore", "Ashoka", "Vivekananda", "Kalidasa", "Raman", "Gandhi", "St. Xavier's", "Carmel", "Takshashila", "Lotus"}
	towns   = []string{
		"Mysuru", "Pune", "Kochi", "Nagpur", "Jaipur", "Indore", "Madurai", "Surat", "Vadodara", "Kota", "Salem", "Nashik", "Ranchi", "Guntur",
		"Udaipur", "Thrissur", "Hubballi", "Jammu", "Shillong", "Cuttack",
	}
	houses  = []string{"Ganga", "Yamuna", "Kaveri", "Narmada"}
	streets = []string{"Temple Road", "Station Road", "Lake View", "Mission Street", "Garden Lane", "Fort Road", "Market Street"}
)

func pick(c *rand.Rand, from []string) string { return from[c.IntN(len(from))] }

// pickEarly prefers the beginning of the list.
func pickEarly(c *rand.Rand, from []string) string {
	x := c.Float64()
	return from[int(x*x*float64(len(from)))]
}
