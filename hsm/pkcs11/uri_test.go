package pkcs11_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
)

func TestParseURI(t *testing.T) {
	seven := uint(7)
	for s, want := range map[string]pkcs11.URI{
		"pkcs11:":           {},
		"pkcs11:token=keyd": {Token: "keyd"},
		"pkcs11:slot-id=7":  {SlotID: &seven},
		"pkcs11:token=My%20token%25;serial=0a;manufacturer=SoftHSM%20project;model=SoftHSM%20v2?module-path=/usr/lib/softhsm/libsofthsm2.so": {
			Token: "My token%", Serial: "0a", Manufacturer: "SoftHSM project", Model: "SoftHSM v2",
			ModulePath: "/usr/lib/softhsm/libsofthsm2.so",
		},
		"pkcs11:?module-path=/m.so":   {ModulePath: "/m.so"},
		"pkcs11:token=a%3Bb%3Dc%3F+":  {Token: "a;b=c?+"},
		"pkcs11:token=Schl%C3%BCssel": {Token: "Schlüssel"},
	} {
		got, err := pkcs11.ParseURI(s)
		if err != nil {
			t.Errorf("ParseURI(%q): %v", s, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ParseURI(%q): %s", s, d)
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for s, says := range map[string]string{
		"":                                "pkcs11:",
		"token=keyd":                      "pkcs11:",
		"pkcs11:token":                    "name=value",
		"pkcs11:=x":                       "name=value",
		"pkcs11:token=a;":                 "name=value",
		"pkcs11:token=a;token=b":          "twice",
		"pkcs11:token=%4":                 "encoding",
		"pkcs11:token=":                   "empty",
		"pkcs11:token=a%00b":              "zero byte",
		"pkcs11:slot-id=-1":               "decimal",
		"pkcs11:object=k":                 "object",
		"pkcs11:module-path=/m.so":        "not supported",
		"pkcs11:token=a?module-name=m":    "not supported",
		"pkcs11:token=a?token=b":          "not supported",
		"pkcs11:?pin-source=/etc/pin":     "pin-source",
		"pkcs11:token=a?pin-value=314159": "must not stand in a URI",
		"pkcs11:pin-value=314159":         "not supported",
		"pkcs11:token=" + strings.Repeat("a", 1<<20): "longer",
	} {
		_, err := pkcs11.ParseURI(s)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseURI(%.60q): error %v, want one that says %q", s, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "314159") {
			t.Errorf("ParseURI(%.60q) repeats the PIN: %v", s, err)
		}
	}
}

// FuzzParseURI: whatever is taken reads the same after it was written.
func FuzzParseURI(f *testing.F) {
	for _, s := range []string{
		"pkcs11:", "pkcs11:token=keyd;serial=0a;slot-id=7?module-path=/m.so", "pkcs11:token=My%20token%25",
		"pkcs11:token=a?pin-value=1", "pkcs11:model=%ff", "pkcs11:;", "pkcs11:a=b=c", "pkcs11:token=a?b&c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := pkcs11.ParseURI(s)
		if err != nil {
			return
		}
		again, err := pkcs11.ParseURI(u.String())
		if len(u.String()) > 8<<10 {
			return // escaping made it longer than what is read
		}
		if err != nil || !cmp.Equal(u, again) {
			t.Errorf("%q reads %+v, written %q, reads %+v, %v", s, u, u, again, err)
		}
	})
}
