// Package clientgo_test shows the generated Go client (gen/client) at work, against a server that TestMain starts.
package clientgo_test

import (
	"context"
	"errors"
	"fmt"
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
	if err := admitOnce(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// signed in as Ravi Kapoor
	// email: Invalid email (format)
	// firstName: Must not be empty (minLength)
	// admitted Diya D'Souza
	// once: true
}

func admitOnce(ctx context.Context) error {
	rollcall, err := signIn(ctx, "registrar@demo.school")
	if err != nil {
		return err
	}
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
	var faults faultsError
	if _, err := admit(ctx, rollcall, uuid.NewString(), form); !errors.As(err, &faults) {
		return fmt.Errorf("a bad form was taken: %w", err)
	}
	for _, fault := range faults {
		fmt.Printf("%s: %s (%s)\n", fault.Field, fault.Message, fault.Code)
	}

	key := uuid.NewString()
	first, err := admit(ctx, rollcall, key, admission)
	if err != nil {
		return err
	}
	fmt.Println("admitted", first.FirstName, first.LastName)
	again, err := admit(ctx, rollcall, key, admission)
	if err != nil {
		return err
	}
	fmt.Println("once:", first.Id == again.Id)
	return nil
}

// signIn makes a client that sends the token of a new session.
func signIn(ctx context.Context, email client.Email) (*client.ClientWithResponses, error) {
	anonymous, err := client.NewClientWithResponses(baseURL)
	if err != nil {
		return nil, err
	}
	session, err := anonymous.LoginWithResponse(ctx, client.LoginRequest{Tenant: "demo", Email: email, Password: "rollcall demo 2026"})
	if err != nil {
		return nil, err
	}
	if session.JSON200 == nil {
		return nil, fmt.Errorf("sign in: %s", session.Body)
	}
	fmt.Println("signed in as", session.JSON200.User.FirstName, session.JSON200.User.LastName)
	return client.NewClientWithResponses(baseURL, client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+*session.JSON200.Token)
		return nil
	}))
}

// faultsError is what is wrong with a form, field by field.
type faultsError []client.FieldError

// Error says how much is wrong.
func (f faultsError) Error() string { return fmt.Sprintf("%d fields need attention", len(f)) }

// admit sends an admission. Whoever gets no answer sends it again with the same key: it happens once.
func admit(ctx context.Context, rollcall *client.ClientWithResponses, key string, admission client.StudentAdmission) (client.Student, error) {
	answer, err := rollcall.AdmitStudentWithResponse(ctx, &client.AdmitStudentParams{IdempotencyKey: &key}, admission)
	switch {
	case err != nil:
		return client.Student{}, err
	case answer.JSON201 != nil:
		return *answer.JSON201, nil
	case answer.ApplicationproblemJSON400 != nil:
		return client.Student{}, faultsError(*answer.ApplicationproblemJSON400.Errors)
	default:
		return client.Student{}, fmt.Errorf("admit: %s", answer.Body)
	}
}
