package e2e_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestCrashFounding kills the very first start of an appliance at random
// moments, several times over, while it makes token, state and log. The start
// that is let through must work without a hand.
func TestCrashFounding(t *testing.T) {
	appliances := 6
	if soak() {
		appliances = 60
	}
	rng := rand.New(rand.NewPCG(seed(t), 0))
	for range appliances {
		dir := t.TempDir()
		for range 1 + rng.IntN(4) {
			killStarting(t, dir, time.Duration(rng.Int64N(int64(300*time.Millisecond))))
		}
		d, err := launch(dir, os.Environ())
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, d)
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		if err := sound(dir); err != nil {
			t.Error(err)
		}
	}
}

// roundTrip makes a key and uses it.
func roundTrip(t *testing.T, d *daemon) {
	t.Helper()
	ctx, api := t.Context(), d.kms(crashRegion)
	key, err := api.CreateKey(ctx, &kmsclient.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	m := message{key: *key.KeyMetadata.KeyId, plaintext: []byte("first")}
	out, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &m.key, Plaintext: m.plaintext})
	if err != nil {
		t.Fatal(err)
	}
	m.blob = out.CiphertextBlob
	if err := m.open(ctx, api); err != nil {
		t.Error(err)
	}
}
