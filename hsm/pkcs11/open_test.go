package pkcs11_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

func TestPINIsShownToNobody(t *testing.T) {
	const secret = "31415926"
	c := pkcs11.Config{Module: "m", PIN: pkcs11.NewPIN(secret)}
	hidden := struct{ pin pkcs11.PIN }{c.PIN}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "config", c, "pin", c.PIN)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q %x", c, c, c.PIN, c.PIN, c.PIN),
		fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden), log.String(), string(text),
	} {
		if strings.Contains(s, secret) || strings.Contains(s, fmt.Sprintf("%x", secret)) {
			t.Errorf("PIN stands in %q", s)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s, other := softhsm.Test(t), softhsm.Test(t)
	good := s.Config()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	no := uint(1 << 20)
	tests := map[string]struct {
		ctx    context.Context
		change func(*pkcs11.Config)
		want   error  // nil: any
		says   string // what the message must hold
	}{
		"wrong PIN":      {t.Context(), func(c *pkcs11.Config) { c.PIN = pkcs11.NewPIN("wrong") }, hsm.ErrPIN, "CKR_PIN_INCORRECT"},
		"no PIN":         {t.Context(), func(c *pkcs11.Config) { c.PIN = pkcs11.NewPIN("") }, nil, "no PIN"},
		"no module":      {t.Context(), func(c *pkcs11.Config) { c.Module = "" }, nil, "no module"},
		"missing module": {t.Context(), func(c *pkcs11.Config) { c.Module = filepath.Join(s.Dir, "none.so") }, nil, "none.so"},
		"not a module":   {t.Context(), func(c *pkcs11.Config) { c.Module = s.ConfigFile() }, nil, "not a PKCS#11 library"},
		"two modules":    {t.Context(), func(c *pkcs11.Config) { c.Token.ModulePath = "/other.so" }, nil, "/other.so"},
		"other label":    {t.Context(), func(c *pkcs11.Config) { c.Token.Token = "nobody" }, hsm.ErrNotFound, other.Info.Label},
		"other serial":   {t.Context(), func(c *pkcs11.Config) { c.Token.Serial = other.Info.Serial }, hsm.ErrNotFound, s.Info.Serial},
		"other slot":     {t.Context(), func(c *pkcs11.Config) { c.Token.SlotID = &no }, hsm.ErrNotFound, "slot"},
		"any of two":     {t.Context(), func(c *pkcs11.Config) { c.Token = pkcs11.URI{} }, hsm.ErrNotFound, "serial"},
		"ended context":  {canceled, func(*pkcs11.Config) {}, context.Canceled, ""},
		"negative limit": {t.Context(), func(c *pkcs11.Config) { c.MaxHandles = -1 }, nil, "negative"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			token, err := pkcs11.Open(c.ctx, config)
			if err == nil {
				token.Close()
				t.Fatal("opened")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q, want one that wraps %v and says %q", err, c.want, c.says)
			}
		})
	}
	if _, keys := opened(t, good, 1); len(keys) != 1 {
		t.Error("the token does not open afterwards")
	}
	if pkcs11.InUse(filepath.Join(s.Dir, "none.so")) || !pkcs11.InUse(s.Module) {
		t.Error("InUse is wrong about which modules serve a Token")
	}
}

// TestRefusedPINIsNotTriedAgain changes the PIN under an open token: after the
// token refused the old one, it is not asked again, not even when it would
// agree.
func TestRefusedPINIsNotTriedAgain(t *testing.T) {
	s := softhsm.Test(t)
	user := pkcs11.NewPIN("first-pin")
	info, err := pkcs11.InitToken(t.Context(), s.Module, "pin-test", user, user)
	if err != nil {
		t.Fatal(err)
	}
	c := pkcs11.Config{Module: s.Module, Token: pkcs11.URI{Serial: info.Serial}, PIN: user}
	token, keys := opened(t, c, 1)
	m := under(t, c)
	change := func(old, new string) {
		t.Helper()
		h, err := m.OpenSession(slotOf(t, m, "pin-test"), p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetPIN(h, old, new); err != nil {
			t.Fatal(err)
		}
		if err := m.CloseAllSessions(slotOf(t, m, "pin-test")); err != nil {
			t.Fatal(err)
		}
	}
	change("first-pin", "second-pin")
	if _, err := token.MAC(t.Context(), keys[0], nil); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("MAC: %v", err)
	}
	change("second-pin", "first-pin")
	for range 3 {
		if err := token.Check(t.Context(), domain); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Check asked the token again: %v", err)
		}
	}
	again, err := pkcs11.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("a new Open is a new try: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestInitToken(t *testing.T) {
	s := softhsm.Test(t)
	pin := pkcs11.NewPIN("12345678")
	if _, err := pkcs11.InitToken(t.Context(), s.Module, s.Info.Label, pin, pin); !errors.Is(err, hsm.ErrExists) {
		t.Errorf("same label: %v", err)
	}
	for _, label := range []string{"", strings.Repeat("x", 33)} {
		if _, err := pkcs11.InitToken(t.Context(), s.Module, label, pin, pin); err == nil {
			t.Errorf("label of %d bytes was taken", len(label))
		}
	}
	if _, err := pkcs11.InitToken(t.Context(), s.Module, "x", pin, pkcs11.PIN{}); err == nil {
		t.Error("no user PIN was taken")
	}
	opened(t, s.Config(), 1)
}

// TestWeakDomainKey: a key of the right label and id that may also decrypt
// would give every wrapped key away, so it is refused.
func TestWeakDomainKey(t *testing.T) {
	s := softhsm.Test(t)
	token, keys := opened(t, s.Config(), 1)
	m := under(t, s.Config())
	h, err := m.OpenSession(slotOf(t, m, s.Info.Label), p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	plant := func(id string, weak ...*p11.Attribute) {
		t.Helper()
		if _, err := m.GenerateKey(h, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, append(weak,
			p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY), p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_AES),
			p11.NewAttribute(p11.CKA_VALUE_LEN, 32), p11.NewAttribute(p11.CKA_TOKEN, true),
			p11.NewAttribute(p11.CKA_LABEL, "keyd domain key"), p11.NewAttribute(p11.CKA_ID, []byte(id)),
			p11.NewAttribute(p11.CKA_WRAP, true), p11.NewAttribute(p11.CKA_UNWRAP, true))); err != nil {
			t.Fatal(err)
		}
	}
	yes, no := true, false
	for id, weak := range map[string][]*p11.Attribute{
		"encrypts":    {p11.NewAttribute(p11.CKA_ENCRYPT, yes), p11.NewAttribute(p11.CKA_DECRYPT, no), p11.NewAttribute(p11.CKA_SENSITIVE, yes), p11.NewAttribute(p11.CKA_EXTRACTABLE, no)},
		"decrypts":    {p11.NewAttribute(p11.CKA_ENCRYPT, no), p11.NewAttribute(p11.CKA_DECRYPT, yes), p11.NewAttribute(p11.CKA_SENSITIVE, yes), p11.NewAttribute(p11.CKA_EXTRACTABLE, no)},
		"extractable": {p11.NewAttribute(p11.CKA_DECRYPT, no), p11.NewAttribute(p11.CKA_ENCRYPT, no), p11.NewAttribute(p11.CKA_EXTRACTABLE, yes)},
		"public":      {p11.NewAttribute(p11.CKA_DECRYPT, no), p11.NewAttribute(p11.CKA_ENCRYPT, no), p11.NewAttribute(p11.CKA_PRIVATE, no)},
		domain:        nil, // a second one beside the real key
	} {
		plant(id, weak...)
		if _, err := token.Generate(t.Context(), id, hsm.HMACSHA256); err == nil && id != domain {
			t.Errorf("domain key %q was used", id)
		}
	}
	if err := token.Check(t.Context(), domain); err == nil {
		t.Error("Check is content with two domain keys of one id")
	}
	if _, err := token.MAC(t.Context(), keys[0], nil); err == nil {
		t.Error("MAC chose one of two domain keys of one id")
	}
}
