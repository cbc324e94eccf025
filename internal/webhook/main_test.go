package webhook_test

import (
	"testing"

	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
