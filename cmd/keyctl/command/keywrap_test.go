package command_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyWrapRFC5649 has the two examples of section 6.
func TestKeyWrapRFC5649(t *testing.T) {
	kek := unhex(t, "5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8")
	for material, want := range map[string]string{
		"c37b7e6492584340 bed1220780894115 5068f738": "138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf541 9200f2ccb50bb24f",
	} {
		in := unhex(t, material)
		got, err := command.WrapKWP(kek, in)
		if err != nil || !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: %x, %v", material, got, err)
		}
		if !bytes.Equal(in, unhex(t, material)) {
			t.Errorf("%s: the material was changed", material)
		}
	}
}

// TestKeyWrapWycheproof wraps all that Wycheproof calls a good wrapping.
func TestKeyWrapWycheproof(t *testing.T) {
	text, err := fs.ReadFile(wycheproof.TestVectors, "aes_kwp_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			Tests []struct {
				ID               int `json:"tcId"`
				Key, Msg, CT, IV string
				Result, Comment  string
				Flags            []string
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, group := range file.TestGroups {
		for _, tc := range group.Tests {
			if tc.Result == "invalid" || tc.Msg == "" {
				continue
			}
			n++
			got, err := command.WrapKWP(unhex(t, tc.Key), unhex(t, tc.Msg))
			if err != nil || hex.EncodeToString(got) != tc.CT {
				t.Errorf("case %d (%s): %x, %v", tc.ID, tc.Comment, got, err)
			}
		}
	}
	if n < 20 {
		t.Fatalf("only %d cases", n)
	}
	for _, size := range []int{0, 32<<10 + 1} {
		if _, err := command.WrapKWP(make([]byte, 32), make([]byte, size)); err == nil {
			t.Errorf("%d bytes were wrapped", size)
		}
	}
}
