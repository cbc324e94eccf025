package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// authenticator finds the principal of a credential: in the database, or, presumed, in memory.
type authenticator interface {
	Authenticate(ctx context.Context, c auth.Credential) (auth.Principal, error)
	Recall(c auth.Credential) (auth.Principal, bool)
}

// gatekeeper is what the gates of all operations share.
type gatekeeper struct {
	authenticator

	limits   *limits
	overload *overload
	db       *db.DB
}

// gate is the way of a request to one operation: is there room, who asks, how often, may they, is the request what the
// document says.
func (k gatekeeper) gate(op *contract.Operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			op.Deprecation.Announce(c.Response().Header())
			who := k.limits.recognise(presented(c.Request()))
			turn, err := k.overload.enter(c.Request().Context(), who.tenant)
			if err != nil {
				return err
			}
			defer turn.leave()
			principal, err := k.authorize(c, op, who)
			if err != nil {
				return err
			}
			if err := turn.enterTenant(c.Request().Context()); err != nil {
				return err
			}
			if err := op.Check(c.Request(), pathValues(c)); err != nil {
				return err
			}
			return k.pass(c, op, principal, next)
		}
	}
}

// pass lets a request in to its handler. Of who is only presumed, what was done lately is not believed; and when it turns out,
// before anything was read or written, that the presumption does not hold, all of it begins anew.
func (k gatekeeper) pass(c echo.Context, op *contract.Operation, principal auth.Principal, next echo.HandlerFunc) (err error) {
	wanted := op.FreshFactor(c.Request())
	if wanted != contract.NoFactor && principal.Presumed() {
		if principal, err = k.identify(c, op); err != nil {
			return err
		}
	}
	if err := principal.AllowFresh(wanted); err != nil {
		return err
	}
	requestOf(c).passed = true
	err = next(c)
	if !errors.Is(err, db.ErrStale) || !principal.Presumed() {
		return err
	}
	principal.Refuted()
	if _, err = k.identify(c, op); err != nil {
		return err
	}
	return next(c)
}

// authorize puts who asks into the request, and refuses who may not. To a public operation nobody is known.
func (k gatekeeper) authorize(c echo.Context, op *contract.Operation, who recognised) (auth.Principal, error) {
	r, limit := c.Request(), k.limited(c, op)
	client := auth.Client{Address: limit.client.Address, UserAgent: strings.ToValidUTF8(r.UserAgent(), "")}
	ctx := auth.WithClient(k.db.WithPosition(r.Context()), client)
	if op.Public {
		c.SetRequest(r.WithContext(withActor(auth.WithCredentials(ctx, credentialsOf(r)), requestOf(c), op, auth.Principal{})))
		return auth.Principal{}, limit.public(ctx)
	}
	principal, err := limit.authenticate(ctx, k, who)
	if err != nil {
		return principal, err
	}
	err = k.admit(ctx, c, op, principal)
	if err != nil && principal.Presumed() {
		return k.identify(c, op) // nobody is refused on a presumption
	}
	return principal, err
}

// identify is authorize for a request that was let in on a presumption: it asks the database, and counts nothing again.
func (k gatekeeper) identify(c echo.Context, op *contract.Operation) (auth.Principal, error) {
	r := c.Request()
	ctx := db.WithGuard(r.Context(), nil)
	principal, err := k.limited(c, op).identify(ctx, k, k.limits.recognise(presented(r)))
	if err != nil {
		return principal, err
	}
	return principal, k.admit(ctx, c, op, principal)
}

// admit puts the principal into the context and that into the request, and refuses who may not.
func (k gatekeeper) admit(ctx context.Context, c echo.Context, op *contract.Operation, principal auth.Principal) error {
	r := c.Request()
	if onReplica(op) {
		db.AllowReplica(ctx)
	}
	c.SetRequest(r.WithContext(withActor(auth.With(ctx, principal, op.Permission), requestOf(c), op, principal)))
	if err := checkCSRF(r, principal); err != nil {
		return err
	}
	return permit(principal, op)
}

func (k gatekeeper) limited(c echo.Context, op *contract.Operation) limited {
	return limited{limits: k.limits, op: op, header: c.Response().Header(), client: auth.Client{Address: requestOf(c).address}}
}

// onReplica says which operations may read from the replica: those that only read, sessions aside, which end at once.
func onReplica(op *contract.Operation) bool {
	return op.Method == http.MethodGet && op.Tag != "auth"
}

func permit(p auth.Principal, op *contract.Operation) error {
	if err := p.AllowMFA(); err != nil && !op.MFAExempt {
		return err
	}
	if !p.May(op.Permission) {
		return apperr.New(apperr.Forbidden, fmt.Sprintf("This needs the permission %s.", op.Permission))
	}
	if op.WholeTenant && !p.Visibility(op.Permission).All {
		return apperr.New(apperr.Forbidden, fmt.Sprintf("This needs the permission %s in the whole school group.", op.Permission))
	}
	return nil
}

func pathValues(c echo.Context) map[string]string {
	values := make(map[string]string, len(c.ParamNames()))
	for _, name := range c.ParamNames() {
		values[name] = c.Param(name)
	}
	return values
}

// requireGate refuses to call a handler behind no gate: should generated code ever lose the middleware, the operation is
// closed, not open.
func requireGate(next api.StrictHandlerFunc, operation string) api.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		if !requestOf(c).passed {
			return nil, fmt.Errorf("operation %s was reached without its gate", operation)
		}
		return next(c, request)
	}
}
