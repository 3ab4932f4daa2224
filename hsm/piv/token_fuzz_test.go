package piv_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/hsmtest"
	"github.com/keyd-hsm/keyd/hsm/piv"
)

// FuzzTokenFile: what the parser takes it writes so that it reads the same again.
func FuzzTokenFile(f *testing.F) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "token.json")
	token, err := piv.CreateToken(path, 0, piv.CardKey{Serial: 1, Slot: piv.KeyManagement, Public: private.PublicKey()})
	if err != nil {
		f.Fatal(err)
	}
	if err := token.CreateDomainKey(f.Context(), "a/2 ü"); err != nil {
		f.Fatal(err)
	}
	if err := token.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"version":1,"token":"00000000000000000000000000000000","cards":[{}],"domain_keys":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := piv.ParseTokenFile(text)
		if err != nil {
			return
		}
		twice, err := piv.ParseTokenFile(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("written as %s, and read again as %s, %v", once, twice, err)
		}
	})
}

// FuzzUnwrapKWP: what opens was wrapped so, and by nobody else.
func FuzzUnwrapKWP(f *testing.F) {
	kek := make([]byte, 32)
	for _, n := range []int{1, 7, 8, 9, 20, 32, 200} {
		f.Add(hsmtest.WrapKey(kek, bytes.Repeat([]byte{7}, n)))
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		if plain, ok := piv.UnwrapKWP(kek, wrapped); ok && !bytes.Equal(hsmtest.WrapKey(kek, plain), wrapped) {
			t.Errorf("%x opens to %x, which wraps otherwise", wrapped, plain)
		}
	})
}

// TestUnwrapKWP has the examples of RFC 5649, section 6, and bodies whose padding
// or length is wrong.
func TestUnwrapKWP(t *testing.T) {
	decode := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kek := decode("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for want, wrapped := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		got, ok := piv.UnwrapKWP(kek, decode(wrapped))
		if !ok || hex.EncodeToString(got) != want {
			t.Errorf("unwrapped %x, %v; want %s", got, ok, want)
		}
		for i := range decode(wrapped) {
			altered := decode(wrapped)
			altered[i] ^= 0x80
			if _, ok := piv.UnwrapKWP(kek, altered); ok {
				t.Errorf("byte %d altered, and it opens", i)
			}
		}
	}
	key := make([]byte, 32)
	for n := 1; n < 70; n++ {
		plain := bytes.Repeat([]byte{0xff}, n)
		if got, ok := piv.UnwrapKWP(key, hsmtest.WrapKey(key, plain)); !ok || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %x, %v", n, got, ok)
		}
	}
}
