package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/webhook"
)

func TestPauseAfter_doublesUpToAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int32]time.Duration{
		0: 0, 4: 0, 5: 30 * time.Second, 6: time.Minute, 9: 8 * time.Minute, 10: 15 * time.Minute, 1000: 15 * time.Minute,
	} {
		assert.Equal(t, want, webhook.PauseAfter(failures, 30*time.Second), failures)
	}
}

// The example of the standard's own specification ("Signature scheme").
func TestSign_isThatOfTheStandard(t *testing.T) {
	t.Parallel()
	at := time.Unix(1614265330, 0)
	got, err := webhook.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	assert.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got)
}
