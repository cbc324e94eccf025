// Package clientgo_test shows the generated Go client (gen/client) at work, against a server that TestMain starts.
package clientgo_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/client"
)

// baseURL is the server; against `make run` it is http://127.0.0.1:8080.
var baseURL string

// A registrar signs in, sends a form with faults, reads them by field, and admits the student. A second try with the same
// key is answered with the first one's student.
func Example() {
	ctx := context.Background()
	rollcall := signIn(ctx, "registrar@demo.school")

	admission := client.StudentAdmission{
		FirstName: "Diya", LastName: "D'Souza",
		AdmissionNumber: "GO-" + strconv.FormatInt(time.Now().UnixNano(), 36),
		InstitutionId:   uuid.MustParse("01900000-0000-7000-8000-000000000101"),
		AcademicYearId:  uuid.MustParse("01900000-0000-7000-8000-000000000201"),
		ClassId:         uuid.MustParse("01900000-0000-7000-8000-000000000302"),
		SectionId:       uuid.MustParse("01900000-0000-7000-8000-000000000403"),
	}
	form := admission
	form.FirstName, form.Email = "   ", new(client.Email("diya at example"))
	for _, fault := range admit(ctx, rollcall, "", form).faults {
		fmt.Printf("%s: %s (%s)\n", fault.Field, fault.Message, fault.Code)
	}

	key := uuid.NewString()
	first, again := admit(ctx, rollcall, key, admission), admit(ctx, rollcall, key, admission)
	fmt.Println("admitted", first.student.FirstName, first.student.LastName)
	fmt.Println("once:", first.student.Id == again.student.Id)
	// Output:
	// signed in as Ravi Kapoor
	// email: Invalid email (format)
	// firstName: Must not be empty (minLength)
	// admitted Diya D'Souza
	// once: true
}

// signIn makes a client that sends the token of a new session.
func signIn(ctx context.Context, email client.Email) *client.ClientWithResponses {
	anonymous, err := client.NewClientWithResponses(baseURL)
	if err != nil {
		log.Fatal(err)
	}
	session, err := anonymous.LoginWithResponse(ctx, client.LoginRequest{Tenant: "demo", Email: email, Password: "rollcall demo 2026"})
	if err != nil {
		log.Fatal(err)
	}
	if session.JSON200 == nil {
		log.Fatalf("sign in: %s", session.Body)
	}
	fmt.Println("signed in as", session.JSON200.User.FirstName, session.JSON200.User.LastName)
	signedIn, err := client.NewClientWithResponses(baseURL, client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+*session.JSON200.Token)
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	return signedIn
}

// admitted is a student, or what is wrong with the form.
type admitted struct {
	student client.Student
	faults  []client.FieldError
}

// admit sends an admission. The key, if there is one, lets it be repeated: it happens once.
func admit(ctx context.Context, rollcall *client.ClientWithResponses, key string, admission client.StudentAdmission) admitted {
	params := &client.AdmitStudentParams{}
	if key != "" {
		params.IdempotencyKey = &key
	}
	answer, err := rollcall.AdmitStudentWithResponse(ctx, params, admission)
	switch {
	case err != nil: // nobody knows whether it happened: send it again with the same key
		log.Fatal(err)
	case answer.JSON201 != nil:
		return admitted{student: *answer.JSON201}
	case answer.ApplicationproblemJSON400 != nil:
		return admitted{faults: *answer.ApplicationproblemJSON400.Errors}
	}
	log.Fatalf("admit: %s", answer.Body)
	return admitted{}
}
