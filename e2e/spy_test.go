package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/softhsm"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

// spyModule finds OpenSC's pkcs11-spy, which writes down every call on its way
// to the real module.
func spyModule() string {
	for _, pattern := range []string{
		"/usr/lib/*/pkcs11-spy.so", "/usr/lib/*/pkcs11/pkcs11-spy.so", "/usr/lib64/pkcs11-spy.so",
		"/usr/lib64/pkcs11/pkcs11-spy.so", "/usr/lib/pkcs11-spy.so",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// TestNothingSecretReachesTheToken reads what crosses the border to the token
// in a life of work: no value of a key is read or given, and no plaintext, data
// key, random number or access key secret stands in the trace. What PKCS#11
// carries in clear is the PIN where one logs in, and keys for one message.
func TestNothingSecretReachesTheToken(t *testing.T) {
	t.Parallel()
	module, err := softhsm.FindModule()
	if err != nil {
		t.Fatal(err)
	}
	dir, trace := filepath.Join(t.TempDir(), "keyd"), filepath.Join(t.TempDir(), "trace")
	env := append(os.Environ(), "PKCS11SPY="+module, "PKCS11SPY_OUTPUT="+trace)
	secrets := make(map[string][]byte)
	wrapped := spiedLife(t, dir, env, secrets)

	if on := objects(t, dir); len(on) != 1 || !guardedDomainKey(on[0]) {
		t.Errorf("on the token:\n%s", strings.Join(on, ""))
	}
	calls := readTrace(t, trace)
	var names []string
	for _, c := range calls {
		names = append(names, c.name)
		if at := regexp.MustCompile(`.*\bCKA_(VALUE|PRIVATE_EXPONENT|PRIME_[12]|EXPONENT_[12]|COEFFICIENT)\b.*`).FindString(c.text); at != "" {
			t.Errorf("%s: %s", c.name, at)
		}
	}
	for _, never := range []string{"C_CreateObject", "C_CopyObject", "C_DeriveKey", "C_SetAttributeValue"} {
		if slices.Contains(names, never) {
			t.Errorf("trace has %s", never)
		}
	}
	for what, secret := range secrets {
		if in := holders(calls, secret); len(in) > 0 {
			t.Errorf("%s stands in %v", what, in)
		}
	}
	// What must be there is found, by the same search.
	for id, w := range wrapped {
		in := holders(calls, w)
		if !slices.Contains(in, "C_WrapKey") || !slices.Contains(in, "C_UnwrapKey") {
			t.Errorf("wrapped material of %s stands in %v only", id, in)
		}
	}
	pin, err := os.ReadFile(filepath.Join(dir, "token", "pin"))
	if err != nil {
		t.Fatal(err)
	}
	in := holders(calls, []byte(strings.TrimSpace(string(pin))))
	if slices.Sort(in); strings.Join(slices.Compact(in), " ") != "C_InitPIN C_Login" {
		t.Errorf("the PIN stands in %v", in)
	}
}

// spiedLife makes keys, uses them before and after a restart, and sees one
// deleted. It adds what is secret to secrets and returns the wrapped material.
func spiedLife(t *testing.T, dir string, env []string, secrets map[string][]byte) map[string][]byte {
	ctx := t.Context()
	d := launchSpied(t, dir, env)
	secrets["the access key's secret"] = []byte(d.vars["AWS_SECRET_ACCESS_KEY"])
	key, doomed := newKey(t, d), newKey(t, d)
	secrets["a plaintext"] = []byte("the quick brown fox jumps over the lazy dog, twice")
	blob := encrypt(t, d, key, secrets["a plaintext"])
	lost := encrypt(t, d, doomed, secrets["a plaintext"])
	dk, err := d.kms(region).GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256})
	must(t, err)
	secrets["a data key"] = dk.Plaintext
	n := int32(32)
	random, err := d.kms(region).GenerateRandom(ctx, &kmsclient.GenerateRandomInput{NumberOfBytes: &n})
	must(t, err)
	secrets["a random number"] = random.Plaintext
	schedule(t, d, doomed)
	must(t, d.stop())
	wrapped := materials(t, dir)
	if len(wrapped[key]) == 0 || len(wrapped[doomed]) == 0 {
		t.Fatalf("no material of %s and %s in %v", key, doomed, wrapped)
	}

	d = launchSpied(t, dir, env, "--clock-offset", "200h")
	waitGone(t, d, doomed)
	if _, err := d.kms(region).Decrypt(ctx, &kmsclient.DecryptInput{CiphertextBlob: lost}); err == nil {
		t.Error("ciphertext of a deleted key opened")
	}
	for _, c := range [][]byte{blob, dk.CiphertextBlob} {
		_, err := d.kms(region).Decrypt(ctx, &kmsclient.DecryptInput{CiphertextBlob: c})
		must(t, err)
	}
	secrets["a later plaintext"] = []byte("sphinx of black quartz, judge my vow")
	encrypt(t, d, key, secrets["a later plaintext"])
	must(t, d.stop())
	must(t, sound(dir))
	return wrapped
}

func launchSpied(t *testing.T, dir string, env []string, flags ...string) *daemon {
	t.Helper()
	d, err := launch(dir, env, append(flags, "--module", spyModule())...)
	must(t, err)
	t.Cleanup(func() { must(t, d.stop()) })
	return d
}

// region is where these tests have their keys.
const region = "us-east-1"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, d *daemon) string {
	t.Helper()
	out, err := d.kms(region).CreateKey(t.Context(), &kmsclient.CreateKeyInput{})
	must(t, err)
	return *out.KeyMetadata.KeyId
}

func encrypt(t *testing.T, d *daemon, key string, plaintext []byte) []byte {
	t.Helper()
	out, err := d.kms(region).Encrypt(t.Context(), &kmsclient.EncryptInput{KeyId: &key, Plaintext: plaintext})
	must(t, err)
	return out.CiphertextBlob
}

// waitGone waits until a key whose window has ended is no more.
func waitGone(t *testing.T, d *daemon, key string) {
	t.Helper()
	until(t, "the key is not deleted", func() bool {
		_, err := d.kms(region).DescribeKey(t.Context(), &kmsclient.DescribeKeyInput{KeyId: &key})
		return hasCode(err, "NotFoundException")
	})
}

// until waits for something that happens by itself.
func until(t *testing.T, complaint string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s after %v", complaint, patience)
		}
	}
}

// materials reads the wrapped material of every key out of a stopped daemon's
// state, by key id.
func materials(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "state.db"))
	must(t, err)
	defer db.Close()
	wrapped := make(map[string][]byte)
	must(t, db.View(context.Background(), func(tx store.Tx) error {
		for path, value := range tx.Scan("kms/material/", "") {
			var m kms.Material
			if err := json.Unmarshal(value, &m); err != nil {
				return err
			}
			wrapped[strings.Split(path, "/")[2]] = m.Wrapped
		}
		return nil
	}))
	return wrapped
}

// objects lists what another program sees on the token of a stopped daemon.
func objects(t *testing.T, dir string) []string {
	t.Helper()
	module, err := softhsm.FindModule()
	must(t, err)
	pin, err := os.ReadFile(filepath.Join(dir, "token", "pin"))
	must(t, err)
	tool := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", module, "--token-label", "keyd",
		"--login", "--pin", "env:KEYD_TEST_PIN", "--list-objects")
	tool.Env = append(os.Environ(), "SOFTHSM2_CONF="+filepath.Join(dir, "token", "softhsm2.conf"),
		"KEYD_TEST_PIN="+strings.TrimSpace(string(pin)))
	out, err := tool.Output()
	if err != nil {
		t.Fatalf("pkcs11-tool: %v\n%s", err, out)
	}
	return regexp.MustCompile(`(?m)^\S.*Object;.*\n(?: .*\n)*`).FindAllString(string(out), -1)
}
