package command

import (
	"os"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv"
)

func TestPIVURI(t *testing.T) {
	for text, want := range map[string]pivURI{
		"piv:":                        {0, piv.KeyManagement},
		"piv:serial=12345678":         {12345678, piv.KeyManagement},
		"piv:serial=12345678;slot=9d": {12345678, piv.KeyManagement},
		"piv:slot=82;serial=1":        {1, piv.FirstRetired},
		"piv:slot=95":                 {0, piv.LastRetired},
	} {
		if got, err := parsePIV(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "pkcs11:", "piv", "piv:serial=0", "piv:serial=-1", "piv:serial=4294967296", "piv:serial=", "piv:serial", "piv:slot=9a",
		"piv:slot=9c", "piv:slot=9e", "piv:slot=81", "piv:slot=96", "piv:slot=", "piv:;", "piv:serial=1;serial=2", "piv:serial=1;",
		"piv:pin=123456", "piv:serial=1?pin=123456",
	} {
		if got, err := parsePIV(text); err == nil || strings.Contains(err.Error(), "123456") {
			t.Errorf("%q is taken as %+v, or its PIN told: %v", text, got, err)
		}
	}
	with := TokenConfig{URI: "piv:serial=1", Module: "/usr/lib/softhsm/libsofthsm2.so"}
	if with.check() == nil {
		t.Error("a PKCS#11 module was taken beside a YubiKey")
	}
}

// TestUnsealCodes: every code is in the specification, and none is given to errors
// of its own accord.
func TestUnsealCodes(t *testing.T) {
	spec, err := os.ReadFile("../../../docs/spec/piv-token.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range unsealCodes {
		if code, tries := unsealCode(c.err); code != c.code || tries != -1 {
			t.Errorf("%v has the code %s, want %s", c.err, code, c.code)
		}
		if !strings.Contains(string(spec), "`"+c.code+"`") {
			t.Errorf("docs/spec/piv-token.md does not name %s", c.code)
		}
	}
	if code, tries := unsealCode(&piv.PINError{Tries: 2}); code != "wrong_pin" || tries != 2 {
		t.Errorf("a wrong PIN: %s, %d", code, tries)
	}
}
