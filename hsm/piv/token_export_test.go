package piv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// ParseTokenFile reads a token's file and writes it again.
func ParseTokenFile(text []byte) (again []byte, err error) {
	f, err := parseTokenFile(text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(f)
}

// UnwrapKWP is the unwrapping of RFC 5649.
var UnwrapKWP = unwrapKWP

// Alterations are files that differ from that of a token with a card and two
// domain keys in one thing, by name.
func Alterations(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	alter := func(name string, change func(*tokenFile)) {
		f, err := parseTokenFile(text)
		if err != nil {
			t.Fatal(err)
		}
		change(&f)
		altered, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = altered
	}
	f, err := parseTokenFile(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Cards[0].Sealed {
		alter(fmt.Sprintf("byte %d of the sealed key", i), func(f *tokenFile) { f.Cards[0].Sealed[i] ^= 1 })
	}
	for i := range f.Domains[0].Wrapped {
		alter(fmt.Sprintf("byte %d of a domain key", i), func(f *tokenFile) { f.Domains[0].Wrapped[i] ^= 1 })
	}
	alter("token", func(f *tokenFile) { f.Token = string(bytes.Repeat([]byte("0"), 32)) })
	alter("card", func(f *tokenFile) { f.Cards[0].Serial++ })
	alter("slot", func(f *tokenFile) { f.Cards[0].Slot = "82" })
	alter("ids of two domain keys changed", func(f *tokenFile) { f.Domains[0].ID, f.Domains[1].ID = f.Domains[1].ID, f.Domains[0].ID })
	alter("id of a domain key", func(f *tokenFile) { f.Domains[0].ID += "x" })
	alter("a domain key twice", func(f *tokenFile) { f.Domains[1] = f.Domains[0] })
	alter("version", func(f *tokenFile) { f.Version = 2 })
	alter("no card", func(f *tokenFile) { f.Cards = nil })
	alter("too many domain keys", func(f *tokenFile) { f.Domains = slices.Repeat(f.Domains, MaxDomainKeys) })
	return all
}
