package server_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/gen/client"
)

// The generated Go client, as another program would use it.
func TestClient_signsInAdmitsAndReadsAFault(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var token string
	c, err := client.NewClientWithResponses(h.url, client.WithHTTPClient(h.client), client.WithRequestEditorFn(
		func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+token)
			return nil
		}))
	require.NoError(t, err)

	login, err := c.LoginWithResponse(t.Context(), client.LoginRequest{Tenant: "demo", Email: "registrar@demo.school", Password: "rollcall demo 2026"})
	require.NoError(t, err)
	require.NotNil(t, login.JSON200)
	token = *login.JSON200.Token

	limit, q := 500, "asha v"
	students, err := c.ListStudentsWithResponse(t.Context(), &client.ListStudentsParams{Limit: &limit, Q: &q})
	require.NoError(t, err)
	require.NotNil(t, students.JSON200, "%s", students.Body)
	assert.Equal(t, 100, students.JSON200.Page.Limit)
	existing := students.JSON200.Data[0]

	admission := client.StudentAdmission{
		FirstName: "Nila", LastName: "Raj", AdmissionNumber: existing.AdmissionNumber, InstitutionId: existing.InstitutionId,
		AcademicYearId: existing.Enrollment.AcademicYearId, ClassId: existing.Enrollment.ClassId,
		SectionId: existing.Enrollment.SectionId, AdmissionDate: &existing.AdmissionDate,
	}
	taken, err := c.AdmitStudentWithResponse(t.Context(), nil, admission)
	require.NoError(t, err)
	require.NotNil(t, taken.ApplicationproblemJSON409, "%s", taken.Body)
	assert.Equal(t, "admissionNumber", (*taken.ApplicationproblemJSON409.Errors)[0].Field)

	admission.AdmissionNumber = "GO-1"
	admitted, err := c.AdmitStudentWithResponse(t.Context(), nil, admission)
	require.NoError(t, err)
	require.NotNil(t, admitted.JSON201, "%s", admitted.Body)
	assert.Equal(t, "Nila", admitted.JSON201.FirstName)
}
