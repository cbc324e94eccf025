package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

const (
	adminRole     = "00000000-0000-8000-8000-000000000001"
	registrarRole = "00000000-0000-8000-8000-000000000002"
	frontOffice   = "01900000-0000-7000-8000-000000000b01"
	lakeCampus    = "01900000-0000-7000-8000-000000000102"
)

// role makes a role of the school's own behind the API's back.
func (h *harness) role(name string, reach contract.Reach, permissions ...string) string {
	h.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	h.db.Exec(h.t, `insert into `+h.schema()+`.roles (id, name, name_folded, permissions, reach) values ($1, $2, lower($2), $3, $4)`,
		id, name, append([]string{}, permissions...), string(reach))
	return id
}

// assigned is a role that a user has: a built-in one by its name, or one of the school's own by its id.
type assigned struct{ role, roleID, institution string }

// userWith makes a user behind the API's back, who could sign in if somebody knew the password.
func (h *harness) userWith(roles ...assigned) string {
	h.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	h.db.Exec(h.t, `insert into `+h.schema()+`.users (id, email, first_name, last_name, password_hash) values ($1, $2, 'A', 'B', 'x')`, id, id+"@example.org")
	for _, r := range roles {
		h.db.Exec(h.t, `insert into `+h.schema()+`.user_roles (user_id, role, role_id, institution_id)
			values ($1, nullif($2, ''), nullif($3, '')::uuid, nullif($4, '')::uuid)`, id, r.role, r.roleID, r.institution)
	}
	return id
}

// as sends a request as a user.
func (h *harness) as(user, method, path string, body any) answer {
	h.t.Helper()
	return h.do(call{Method: method, Path: path, Token: h.tokenIn(seed.DemoTenant, user, time.Hour), Body: body})
}

func give(roles ...map[string]any) map[string]any {
	list := make([]any, len(roles))
	for i, r := range roles {
		list[i] = r
	}
	return map[string]any{"roles": list}
}

func oneRole(id string) map[string]any { return map[string]any{"roleId": id} }

func roleIn(id, institution string) map[string]any {
	return map[string]any{"roleId": id, "institutionId": institution}
}

func TestRole_ofFiftyCreationsOfOneNameAtOnceExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.token("admin")
	statuses := make([]int, 50)
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() {
			name := []string{"Librarian", "LIBRARIAN", "librarian"}[i%3]
			got := h.do(call{Method: http.MethodPost, Path: "/v1/roles", Token: token, Body: map[string]any{"name": name, "permissions": []string{"students:read"}, "reach": "institutions"}})
			statuses[i] = got.Status
			if got.Status == http.StatusConflict {
				assert.Equal(t, []fault{{"name", "unique"}}, got.faults())
			}
		})
	}
	all.Wait()
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	assert.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 49}, counts)
	assert.EqualValues(t, 1, h.count("roles", "name_folded = 'librarian'"))
	t.Logf("50 creations of one name at once: %v, rows: 1", counts)
}

// Every change of what a user may do, on one server, holds for the next request to another one that knew the user.
func TestRole_aChangeHoldsForTheVeryNextRequestOnEveryInstance(t *testing.T) {
	t.Parallel()
	here := newHarness(t)
	there := newHarnessOn(t, here.db, db.Config{MaxConns: 4})
	user := here.userWith()
	token := here.tokenIn(seed.DemoTenant, user, time.Hour)
	assertMay := func(may bool, after string) {
		t.Helper()
		for _, h := range []*harness{there, here} {
			got := h.do(call{Method: http.MethodGet, Path: "/v1/students/" + asha, Token: token})
			assert.Equal(t, may, got.Status == http.StatusOK, "%s: %d", after, got.Status)
		}
	}
	admin := func(method, path string, body any) answer {
		t.Helper()
		got := here.as(demoUsers["admin"], method, path, body)
		require.Less(t, got.Status, 300, "%s", got.Raw)
		return got
	}
	assertMay(false, "no role")
	own := admin(http.MethodPost, "/v1/roles", map[string]any{"name": "Helper", "permissions": []string{}, "reach": "institutions"}).get("id").(string)
	admin(http.MethodPut, "/v1/users/"+user+"/roles", give(oneRole(own)))
	assertMay(false, "a role without permissions")
	admin(http.MethodPatch, "/v1/roles/"+own, map[string]any{"permissions": []string{"students:read"}})
	assertMay(true, "the role got the permission")
	admin(http.MethodPatch, "/v1/roles/"+own, map[string]any{"permissions": []string{"academic:read"}})
	assertMay(false, "the role lost the permission")
	admin(http.MethodPut, "/v1/users/"+user+"/roles", give(oneRole(own), oneRole(registrarRole)))
	assertMay(true, "another role came")
	admin(http.MethodPut, "/v1/users/"+user+"/roles", give())
	assertMay(false, "all roles went")
	admin(http.MethodDelete, "/v1/roles/"+own, nil)
	assertMay(false, "the role was deleted")
}

func TestRole_grantsAreLoadedOnceForAThousandRequestsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	statements := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(statements)).Tracer("test")
	pool, err := db.Open(t.Context(), db.Config{URL: h.db.URL, MaxConns: 4, Timeout: time.Minute, Tracer: tracer})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	handler := &auth.Handler{DB: pool, Contract: h.contract, Limits: auth.Limits{Idle: time.Hour, Lifetime: time.Hour}}
	token := h.token("registrar")
	_, err = handler.Authenticate(t.Context(), auth.Credential{Token: token, Transport: api.TransportBearer}) // also brings last_used_at up to date
	require.NoError(t, err)
	h.db.Exec(t, `update `+h.schema()+`.users set access_version = access_version + 1`)
	statements.Reset()

	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			p, err := handler.Authenticate(t.Context(), auth.Credential{Token: token, Transport: api.TransportBearer})
			if assert.NoError(t, err) {
				assert.True(t, p.May("students:admit"))
			}
		})
	}
	all.Wait()
	loads := 0
	for _, statement := range statements.GetSpans() {
		if strings.Contains(statement.Name, "GrantsOf") { // begin travels with it
			loads++
		}
	}
	t.Logf("1,000 requests with a cold key at once: %d loads", loads)
	assert.Equal(t, 1, loads)
}

func TestRole_whatSomebodyHasIsNotDeleted(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.userWith(assigned{roleID: frontOffice}, assigned{roleID: frontOffice, institution: lakeCampus})
	h.userWith(assigned{roleID: frontOffice})
	got := h.as(demoUsers["admin"], http.MethodDelete, "/v1/roles/"+frontOffice, nil)
	assert.Equal(t, http.StatusConflict, got.Status)
	assert.Contains(t, got.get("detail"), "2")
	h.db.Exec(t, `delete from `+h.schema()+`.user_roles where role_id is not null`)
	assert.Equal(t, http.StatusNoContent, h.as(demoUsers["admin"], http.MethodDelete, "/v1/roles/"+frontOffice, nil).Status)
	assert.Equal(t, http.StatusNotFound, h.as(demoUsers["admin"], http.MethodGet, "/v1/roles/"+frontOffice, nil).Status)
}

// Whichever comes first, a deletion and an assignment at once leave no assignment of a role that is gone.
func TestRole_deletingWhileItIsGivenEndsWellEitherWay(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for i := range 10 {
		id := h.role(fmt.Sprint("Brief ", i), contract.ReachInstitutions, "students:read")
		user := h.userWith()
		var gone, given answer
		var both sync.WaitGroup
		both.Go(func() { gone = h.as(demoUsers["admin"], http.MethodDelete, "/v1/roles/"+id, nil) })
		both.Go(func() {
			given = h.as(demoUsers["admin"], http.MethodPut, "/v1/users/"+user+"/roles", give(oneRole(id)))
		})
		both.Wait()
		deleted, assigned := gone.Status == http.StatusNoContent, given.Status == http.StatusOK
		assert.NotEqual(t, deleted, assigned, "deletion %d, assignment %d", gone.Status, given.Status)
		if !assigned {
			assert.Equal(t, []fault{{"roles[0].roleId", "reference"}}, given.faults())
		}
	}
}

func TestRole_aSchoolGroupHasAHundredAtMost(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for i := range 99 { // one is there
		h.role(fmt.Sprintf("Role %02d", i), contract.ReachInstitutions)
	}
	got := h.as(demoUsers["admin"], http.MethodPost, "/v1/roles", map[string]any{"name": "One more", "permissions": []string{}, "reach": "institutions"})
	assert.Equal(t, http.StatusConflict, got.Status)
	assert.Contains(t, got.get("detail"), "100")
}

func TestRole_theListHasBothKindsByNameOnceEach(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, name := range []string{"Zeichenlehrer", "art teacher", "Ålesund", "Bursar"} {
		h.role(name, contract.ReachInstitutions)
	}
	for _, limit := range []int{1, 2, 4, 9, 20} {
		var names []string
		for path := fmt.Sprintf("/v1/roles?limit=%d", limit); path != ""; {
			got := h.as(demoUsers["admin"], http.MethodGet, path, nil)
			require.Equal(t, http.StatusOK, got.Status, "%s", got.Raw)
			assert.EqualValues(t, 9, got.get("page", "total"))
			for i := range got.list("data") {
				names = append(names, got.get("data", i, "name").(string))
			}
			next, more := got.get("page", "nextCursor").(string)
			path = fmt.Sprintf("/v1/roles?limit=%d&cursor=%s", limit, next)
			if !more {
				path = ""
			}
		}
		assert.Equal(t, "admin, art teacher, Bursar, Front Office, guardian, registrar, teacher, Zeichenlehrer, Ålesund", strings.Join(names, ", "))
	}
	third := h.as(demoUsers["admin"], http.MethodGet, "/v1/roles?limit=4&page=3", nil)
	assert.Len(t, third.list("data"), 1)
	assert.Empty(t, h.as(demoUsers["admin"], http.MethodGet, "/v1/roles?limit=4&page=4", nil).list("data"))
}
