package command_test

import (
	"crypto/ecdsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// givenUp puts a ctrl-C between keyd and its answer to an operation: keyd has done
// it by then. With lost, the answer never comes.
func givenUp(t *testing.T, operation string, lost bool) {
	t.Helper()
	kit := appliance(t)
	to, err := url.Parse(kit.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Director = func(r *http.Request) { r.URL.Scheme, r.URL.Host = to.Scheme, to.Host }
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, unix.SIGINT)
	t.Cleanup(func() { signal.Stop(heard) })
	proxy.ModifyResponse = func(resp *http.Response) error {
		if !strings.HasSuffix(resp.Request.Header.Get("X-Amz-Target"), "."+operation) {
			return nil
		}
		if err := unix.Kill(os.Getpid(), unix.SIGINT); err != nil {
			t.Error(err)
		}
		<-heard // and keyctl has heard it too, or is about to
		if lost {
			<-resp.Request.Context().Done()
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
}

// TestEnrollGivenUp: ctrl-C while keyd answers leaves no device, whether the answer
// comes or not. An answer may be there before keyctl has heard of the ctrl-C: then it
// is too late, and the device is there.
func TestEnrollGivenUp(t *testing.T) {
	t.Run("lost", func(t *testing.T) {
		givenUp(t, "CreateOATHDevice", true)
		if r := keyctl("", "mfa", "enroll", "totp", "phone", "--no-enable"); r.code == 0 || r.stdout != "" {
			t.Errorf("%+v", r)
		}
		fails(t, 4, "", []string{"mfa", "remove", "phone"})
	})
	t.Run("answered", func(t *testing.T) {
		givenUp(t, "CreateOATHDevice", false)
		const tries = 50
		for range tries {
			r := keyctl("", "mfa", "enroll", "totp", "phone", "--no-enable")
			if r.code == 0 {
				ok(t, "", "mfa", "remove", "phone")
				continue
			}
			if r.stdout != "" {
				t.Errorf("%+v", r)
			}
			fails(t, 4, "", []string{"mfa", "remove", "phone"})
			return
		}
		t.Errorf("keyctl never heard of %d times ctrl-C", tries)
	})
}

// TestRecoveryGivenUp: ctrl-C and failures leave no empty file.
func TestRecoveryGivenUp(t *testing.T) {
	givenUp(t, "CreateRecoveryCodes", true)
	file := inTemp(t, "codes.txt")[0]
	for _, args := range [][]string{nil, {"--user", "nobody"}} {
		if r := keyctl("", append([]string{"mfa", "enroll", "recovery", "--out", file}, args...)...); r.code == 0 || r.stdout != "" {
			t.Errorf("%+v", r)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("the file: %v", err)
		}
	}
}

// TestGenerateOnShownCard: a card that is put in while the person confirms does not
// lose its key.
func TestGenerateOnShownCard(t *testing.T) {
	appliance(t)
	shown, other := pivtest.New(t, pivtest.Serial(1001)), pivtest.New(t, pivtest.Serial(1002))
	pivtest.StartAll(t, shown, other)
	shown.Setenv(t)
	var before [2]*ecdsa.PublicKey
	for i, serial := range []uint32{1001, 1002} {
		before[i] = onCard(t, serial, true)
	}
	if err := other.Eject(); err != nil {
		t.Fatal(err)
	}
	r := converse(t, func(said string) string {
		holds(t, said, "YubiKey   1001")
		if err := shown.Eject(); err != nil {
			t.Error(err)
		}
		if err := other.Insert(); err != nil {
			t.Error(err)
		}
		return "9a"
	}, "mfa", "enroll", "piv", "key", "--generate")
	if r.code != 6 || !strings.Contains(r.stderr, "YubiKey 1001: ") {
		t.Errorf("%+v", r)
	}
	if err := shown.Insert(); err != nil {
		t.Fatal(err)
	}
	for i, serial := range []uint32{1001, 1002} {
		if now := onCard(t, serial, false); !now.Equal(before[i]) {
			t.Errorf("YubiKey %d has another key", serial)
		}
	}
}

// onCard is the key in slot 9a of a card, which is made first if so wanted.
func onCard(t *testing.T, serial uint32, make bool) *ecdsa.PublicKey {
	t.Helper()
	card, err := piv.Open(t.Context(), serial)
	if err != nil {
		t.Fatal(err)
	}
	if make {
		_, err = card.Generate(t.Context(), piv.DefaultManagementKey(), piv.Authentication, piv.P256, piv.PINOnce, piv.TouchNever)
	}
	public, of := card.Public(t.Context(), piv.Authentication)
	if err := errors.Join(err, of, card.Close()); err != nil {
		t.Fatal(err)
	}
	return public.(*ecdsa.PublicKey)
}
