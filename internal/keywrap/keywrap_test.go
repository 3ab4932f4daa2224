package keywrap_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/keyd-hsm/keyd/internal/keywrap"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC5649 has the two examples of section 6, and each of their bytes altered.
func TestRFC5649(t *testing.T) {
	kek := unhex(t, "5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8")
	for plain, wrapped := range map[string]string{
		"c37b7e6492584340 bed1220780894115 5068f738": "138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf541 9200f2ccb50bb24f",
	} {
		in, out := unhex(t, plain), unhex(t, wrapped)
		if got, err := keywrap.Wrap(kek, in); err != nil || !bytes.Equal(got, out) {
			t.Errorf("%s: wrapped %x, %v", plain, got, err)
		}
		if got, ok := keywrap.Unwrap(kek, out); !ok || !bytes.Equal(got, in) {
			t.Errorf("%s: unwrapped %x, %t", plain, got, ok)
		}
		if !bytes.Equal(in, unhex(t, plain)) || !bytes.Equal(out, unhex(t, wrapped)) {
			t.Errorf("%s: an input was changed", plain)
		}
		for i := range out {
			altered := bytes.Clone(out)
			altered[i] ^= 0x80
			if _, ok := keywrap.Unwrap(kek, altered); ok {
				t.Errorf("%s: byte %d altered, and it opens", plain, i)
			}
		}
	}
}

// TestWycheproof unwraps all of Wycheproof's cases, and wraps those that are right.
func TestWycheproof(t *testing.T) {
	text, err := fs.ReadFile(wycheproof.TestVectors, "aes_kwp_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			Tests []struct {
				ID              int `json:"tcId"`
				Key, Msg, CT    string
				Result, Comment string
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	right, wrong := 0, 0
	for _, group := range file.TestGroups {
		for _, c := range group.Tests {
			key, plain, wrapped := unhex(t, c.Key), unhex(t, c.Msg), unhex(t, c.CT)
			got, ok := keywrap.Unwrap(key, wrapped)
			if c.Result == "invalid" || len(plain) == 0 {
				if wrong++; ok && len(got) > 0 {
					t.Errorf("case %d (%s): opens to %x", c.ID, c.Comment, got)
				}
				continue
			}
			right++
			if !ok || !bytes.Equal(got, plain) {
				t.Errorf("case %d (%s): %x, %t", c.ID, c.Comment, got, ok)
			}
			if got, err := keywrap.Wrap(key, plain); err != nil || !bytes.Equal(got, wrapped) {
				t.Errorf("case %d (%s): wrapped %x, %v", c.ID, c.Comment, got, err)
			}
		}
	}
	if right < 20 || wrong < 20 {
		t.Errorf("only %d cases right and %d wrong", right, wrong)
	}
}

// TestSizes: every length of padding, and what is no key.
func TestSizes(t *testing.T) {
	kek := make([]byte, 32)
	for n := 1; n < 70; n++ {
		plain := bytes.Repeat([]byte{0xff}, n)
		wrapped, err := keywrap.Wrap(kek, plain)
		if got, ok := keywrap.Unwrap(kek, wrapped); err != nil || !ok || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %x, %t, %v", n, got, ok, err)
		}
	}
	for _, n := range []int{0, keywrap.MaxSize + 1} {
		if _, err := keywrap.Wrap(kek, make([]byte, n)); err == nil {
			t.Errorf("%d bytes were wrapped", n)
		}
	}
	if got, err := keywrap.Wrap(make([]byte, 31), []byte{1}); err == nil {
		t.Errorf("wrapped %x under 31 bytes", got)
	}
}

// FuzzUnwrap: what opens was wrapped so, and there is no other wrapping of it.
func FuzzUnwrap(f *testing.F) {
	kek := make([]byte, 32)
	for _, n := range []int{1, 7, 8, 9, 20, 32, 200} {
		wrapped, err := keywrap.Wrap(kek, bytes.Repeat([]byte{7}, n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wrapped)
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		plain, ok := keywrap.Unwrap(kek, wrapped)
		if !ok || len(plain) == 0 {
			return
		}
		if again, err := keywrap.Wrap(kek, plain); err != nil || !bytes.Equal(again, wrapped) {
			t.Errorf("%x opens to %x, which wraps to %x, %v", wrapped, plain, again, err)
		}
	})
}
