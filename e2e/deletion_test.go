package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
)

// TestDeletionDestroysMaterial: when a deletion window has ended, nothing of the
// key is left in the state file, not even in its free space, nor on the token,
// where another program sees the guarded domain key and no other object.
func TestDeletionDestroysMaterial(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keyd")
	d := startDaemon(t, dir)
	doomed, kept := keysInTurn(t, d)
	must(t, d.stop())
	wrapped := materials(t, dir)
	for _, key := range append(doomed, kept...) {
		if !stateHolds(t, dir, wrapped[key]) {
			t.Fatalf("material of %s is not found before it is destroyed", key)
		}
	}

	d = startDaemon(t, dir, "--clock-offset", "200h")
	for _, key := range doomed {
		waitGone(t, d, key)
		until(t, "the state file holds the material", func() bool { return !stateHolds(t, dir, wrapped[key]) })
	}
	must(t, d.stop())
	left := materials(t, dir)
	for _, key := range doomed {
		if left[key] != nil || stateHolds(t, dir, wrapped[key]) {
			t.Errorf("material of %s is there again", key)
		}
	}
	for _, key := range kept {
		if !bytes.Equal(left[key], wrapped[key]) {
			t.Errorf("material of %s is gone, whose deletion was cancelled", key)
		}
	}
	if on := objects(t, dir); len(on) != 1 || !guardedDomainKey(on[0]) {
		t.Errorf("on the token:\n%s", strings.Join(on, ""))
	}
}

// keysInTurn makes keys that are to be deleted, and between them others whose
// deletion was called off.
func keysInTurn(t *testing.T, d *daemon) (doomed, kept []string) {
	t.Helper()
	// The file grows, the keys are made, and then there is free space beside
	// theirs: what is not overwritten on purpose is often still there later.
	var ballast []string
	for range 20 {
		ballast = append(ballast, newKey(t, d))
		describe(t, d, ballast[len(ballast)-1], strings.Repeat("x", 8192))
	}
	for i := range 8 {
		key := newKey(t, d)
		encrypt(t, d, key, []byte("x"))
		schedule(t, d, key)
		if i%2 == 0 {
			doomed = append(doomed, key)
			continue
		}
		kept = append(kept, key)
		_, err := d.kms(region).CancelKeyDeletion(t.Context(), &kmsclient.CancelKeyDeletionInput{KeyId: &key})
		must(t, err)
	}
	for _, key := range ballast {
		describe(t, d, key, "")
	}
	return doomed, kept
}

// schedule gives a key the shortest deletion window.
func schedule(t *testing.T, d *daemon, key string) {
	t.Helper()
	days := int32(7)
	_, err := d.kms(region).ScheduleKeyDeletion(t.Context(), &kmsclient.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: &days})
	must(t, err)
}

func describe(t *testing.T, d *daemon, key, text string) {
	t.Helper()
	_, err := d.kms(region).UpdateKeyDescription(t.Context(), &kmsclient.UpdateKeyDescriptionInput{KeyId: &key, Description: &text})
	must(t, err)
}

// guardedDomainKey reports whether this is pkcs11-tool's picture of a domain
// key that can be neither read nor taken out.
func guardedDomainKey(object string) bool {
	return strings.HasPrefix(object, "Secret Key Object; AES length 32\n") &&
		strings.Contains(object, "keyd domain key") &&
		regexp.MustCompile(`Usage:\s+wrap, unwrap\n`).MatchString(object) &&
		regexp.MustCompile(`Access:\s+sensitive, always sensitive, never extractable, local\n`).MatchString(object)
}

// stateHolds looks for any half of the wrapped material in the raw state file,
// as bytes, hex or in the base64 of its JSON record.
func stateHolds(t *testing.T, dir string, wrapped []byte) bool {
	t.Helper()
	if len(wrapped) < 32 {
		t.Fatalf("wrapped material of %d bytes", len(wrapped))
	}
	raw, err := os.ReadFile(filepath.Join(dir, "state.db"))
	must(t, err)
	// Halves that begin at a multiple of three bytes have base64 of their own.
	half := len(wrapped) / 6 * 3
	for _, part := range [][]byte{wrapped[:half], wrapped[half : half*2]} {
		for _, text := range []string{string(part), hex.EncodeToString(part), base64.StdEncoding.EncodeToString(part)} {
			if bytes.Contains(raw, []byte(text)) {
				return true
			}
		}
	}
	return false
}

// hasCode reports whether an AWS client saw this error.
func hasCode(err error, code string) bool {
	api := smithy.APIError(nil)
	return errors.As(err, &api) && api.ErrorCode() == code
}
