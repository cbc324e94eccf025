package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/google/uuid"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/rollcall-erp/rollcall/internal/seed/large"
)

// work is a kind of request.
type work struct {
	name   string
	title  string
	status uint16 // of every answer
	// floor and pgbench are the goals: how many times as many requests as these; 0: none
	floor, pgbench float64
	target         func(s school, n int) vegeta.Target // the n-th request, without address and credentials
}

// works are in the order of the report.
var works = []work{
	{"list", "list 20 students of a section + total", http.StatusOK, 1, 0.55, listTarget},
	{"get", "get one student", http.StatusOK, 1, 0, getTarget},
	{"admit", "admit (user, student, enrollment in one transaction)", http.StatusCreated, 1, 0.55, admitTarget},
	{"register", "register of 40 marks", http.StatusOK, 1, 0.55, registerTarget},
	{"invalid", "invalid admission: 400", http.StatusBadRequest, 0.6, 0, invalidTarget},
}

func workOf(name string) (work, error) {
	for _, w := range works {
		if w.name == name {
			return w, nil
		}
	}
	return work{}, fmt.Errorf("no work %q", name)
}

func (s school) anyPlace() large.Place { return s.Size.Place(rand.IntN(s.Size.Sections())) } //nolint:gosec // not a secret

func listTarget(s school, _ int) vegeta.Target {
	return vegeta.Target{Method: http.MethodGet, URL: "/v1/students?sectionId=" + s.anyPlace().Section.String()}
}

func getTarget(s school, _ int) vegeta.Target {
	return vegeta.Target{Method: http.MethodGet, URL: "/v1/students/" + large.StudentID(rand.IntN(s.Size.Students)).String()} //nolint:gosec // not a secret
}

// admission is what a registrar types in: the nine members that an admission needs, and six more. Nobody is admitted twice.
const admission = `{"firstName": "Diya", "lastName": "D'Souza", "admissionNumber": %q, "institutionId": %q, "academicYearId": %q, "classId": %q, "sectionId": %q,
"dateOfBirth": "2016-08-15", "gender": "female", "email": "diya.%s@example.org", "phone": "+91 98450 12345", "admissionDate": "2026-06-01",
"address": "7 Church Street, Bengaluru", "bloodGroup": "B+"}`

func admitTarget(s school, _ int) vegeta.Target {
	id, p := uuid.NewString(), s.anyPlace()
	return post(fmt.Sprintf(admission, id, p.Institution, p.Year, p.Class, p.Section, id))
}

// invalidTarget has an empty name, an address that is none, a date that is none, and a member that there is not.
func invalidTarget(s school, n int) vegeta.Target {
	t := admitTarget(s, n)
	t.Body = []byte(strings.NewReplacer("Diya", "", "@example", " at example", "2016-08-15", "2016-02-30", "address", "isAdmin").Replace(string(t.Body)))
	return t
}

func post(body string) vegeta.Target {
	t := vegeta.Target{Method: http.MethodPost, URL: "/v1/students", Body: []byte(body), Header: http.Header{}}
	t.Header.Set("Content-Type", "application/json")
	t.Header.Set("Idempotency-Key", uuid.NewString())
	return t
}

// registerTarget takes another register each time: two who take the same one at once are in each other's way.
func registerTarget(s school, n int) vegeta.Target {
	r, day := s.Registers[n%len(s.Registers)], s.Days[n/len(s.Registers)%len(s.Days)]
	var body strings.Builder
	body.WriteString(`{"marks": [`)
	for i, id := range r.Students {
		if i > 0 {
			body.WriteString(", ")
		}
		body.WriteString(`{"studentId": "` + id.String() + `", "status": "` + statuses[i%len(statuses)] + `"}`)
	}
	body.WriteString(`]}`)
	t := vegeta.Target{Method: http.MethodPut, URL: "/v1/sections/" + r.Section.String() + "/attendance/" + day, Body: []byte(body.String()), Header: http.Header{}}
	t.Header.Set("Content-Type", "application/json")
	return t
}

var statuses = []string{"present", "present", "present", "late", "present", "present", "absent", "present"}
