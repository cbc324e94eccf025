// Package bind puts a validated JSON value into the generated type of a request.
//
// It does what runtime.BindJSONValue of oapi-codegen does, which the generated handlers call by default, and leaves to it whatever is not
// in every request. That one asks by reflection, for each member of each request, what its type can do, and encodes dates and custom fields as JSON
// again to decode them; here the first is asked once for each type, and the second is not needed. A test holds the two against each other.
//
// Names of members are matched exactly, and members that the type does not have are passed over: the validator has refused them.
package bind

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime"
	openapi_types "github.com/oapi-codegen/runtime/types"
)

// Value binds a decoded value (strictjson.Decode) into target, a pointer to a type that is not changed if it fails. It may be called
// from several goroutines.
func Value(value, target any) error {
	pointer := reflect.ValueOf(target)
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() {
		return fmt.Errorf("bind into %T, which is no pointer", target)
	}
	bound := reflect.New(pointer.Type().Elem()).Elem()
	if err := setterOf(bound.Type())(value, bound); err != nil {
		return err
	}
	pointer.Elem().Set(bound)
	return nil
}

// setter binds a value into an addressable place of the type that it was made for.
type setter func(value any, to reflect.Value) error

var setters sync.Map // reflect.Type -> setter

func setterOf(t reflect.Type) setter {
	if known, ok := setters.Load(t); ok {
		return known.(setter) //nolint:forcetypeassert // nothing else is in the map
	}
	made, _ := setters.LoadOrStore(t, compile(t))
	return made.(setter) //nolint:forcetypeassert // nothing else is in the map
}

// special are the types that have a way of their own.
var special = map[reflect.Type]setter{
	reflect.TypeFor[uuid.UUID](): ofString(func(s string, to *uuid.UUID) (err error) {
		*to, err = uuid.Parse(s)
		return err
	}),
	reflect.TypeFor[openapi_types.Date](): ofString(func(s string, to *openapi_types.Date) (err error) {
		to.Time, err = time.Parse(openapi_types.DateFormat, s)
		return err
	}),
	reflect.TypeFor[json.RawMessage](): func(value any, to reflect.Value) error {
		raw, err := json.Marshal(value)
		to.SetBytes(raw)
		return err
	},
}

// ofString is the setter of a type that is a string in JSON.
func ofString[T any](parse func(s string, to *T) error) setter {
	return func(value any, to reflect.Value) error {
		s, ok := value.(string)
		if !ok {
			return byLibrary(value, to)
		}
		return parse(s, to.Addr().Interface().(*T)) //nolint:forcetypeassert // the key in special
	}
}

// compile makes the setter of a type.
func compile(t reflect.Type) setter {
	if s, ok := special[t]; ok {
		return s
	}
	if t.Kind() == reflect.Pointer {
		return pointerSetter(t.Elem())
	}
	if decodesItself(t) {
		return byLibrary
	}
	switch t.Kind() {
	case reflect.Struct:
		return structSetter(t)
	case reflect.Slice:
		return sliceSetter(t)
	case reflect.String:
		return setString
	case reflect.Bool:
		return setBool
	case reflect.Int, reflect.Int32, reflect.Int64:
		return setInteger
	default:
		return byLibrary
	}
}

func decodesItself(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	return pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// byLibrary leaves a value to oapi-codegen.
func byLibrary(value any, to reflect.Value) error {
	return runtime.BindJSONValue(value, to.Addr().Interface())
}

func pointerSetter(t reflect.Type) setter {
	inner := compileLater(t)
	return func(value any, to reflect.Value) error {
		if value == nil {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(t))
		return inner()(value, to.Elem())
	}
}

// compileLater lets a type hold itself.
func compileLater(t reflect.Type) func() setter {
	return sync.OnceValue(func() setter { return setterOf(t) })
}

// member is a member of a struct.
type member struct {
	index int
	set   setter
}

// membersOf are the members of a struct by their names in JSON. It knows nothing of what generated types do not have: embedded structs, and the
// option `string`.
func membersOf(t reflect.Type) (members map[string]member, ok bool) {
	members = make(map[string]member, t.NumField())
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			return nil, false
		case name == "-" || !field.IsExported():
			continue
		case name == "" || strings.Contains(options, "string"):
			return nil, false
		}
		members[name] = member{i, setterOf(field.Type)}
	}
	return members, true
}

func structSetter(t reflect.Type) setter {
	members, ok := membersOf(t)
	if !ok {
		return byLibrary
	}
	return func(value any, to reflect.Value) error {
		object, ok := value.(map[string]any)
		if !ok {
			return byLibrary(value, to)
		}
		for name, v := range object {
			if m, known := members[name]; known {
				if err := m.set(v, to.Field(m.index)); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func sliceSetter(t reflect.Type) setter {
	if t.Elem().Kind() == reflect.Uint8 {
		return byLibrary
	}
	inner := compileLater(t.Elem())
	return func(value any, to reflect.Value) error {
		list, ok := value.([]any)
		if !ok {
			return byLibrary(value, to)
		}
		to.Set(reflect.MakeSlice(t, len(list), len(list)))
		for i, item := range list {
			if err := inner()(item, to.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func setString(value any, to reflect.Value) error {
	s, ok := value.(string)
	if !ok {
		return byLibrary(value, to)
	}
	to.SetString(s)
	return nil
}

func setBool(value any, to reflect.Value) error {
	b, ok := value.(bool)
	if !ok {
		return byLibrary(value, to)
	}
	to.SetBool(b)
	return nil
}

func setInteger(value any, to reflect.Value) error {
	number, ok := value.(json.Number)
	if !ok {
		return byLibrary(value, to)
	}
	n, err := strconv.ParseInt(string(number), 10, to.Type().Bits())
	if err != nil {
		return byLibrary(value, to) // which says what is wrong
	}
	to.SetInt(n)
	return nil
}
