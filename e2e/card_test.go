package e2e_test

import (
	"encoding/pem"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// cards are a script's virtual YubiKeys, by serial number.
type cards map[string]*pivtest.Card

type cardsKey struct{}

// startCards puts virtual YubiKeys with these serial numbers side by side into
// readers of their own. One authority attests them all.
func startCards(t testing.TB, serials ...uint32) ([]*pivtest.Card, *pivtest.CA) {
	t.Helper()
	ca := pivtest.NewCA(t)
	var all []*pivtest.Card
	for _, n := range serials {
		all = append(all, pivtest.New(t, pivtest.Serial(n), pivtest.AttestedBy(ca)))
	}
	pivtest.StartAll(t, all...)
	return all, ca
}

// writeRoot writes the certificate of an authority as the daemon reads it.
func writeRoot(path string, ca *pivtest.CA) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Root().Raw}), 0o600)
}

func cmdCard(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "usage: card start SERIAL... | give|withhold|pull|eject|insert SERIAL | touched SERIAL TIMES"
	if neg || len(args) < 2 {
		ts.Fatalf(usage)
	}
	all := ts.Value(cardsKey{}).(cards)
	if args[0] == "start" {
		var serials []uint32
		for _, arg := range args[1:] {
			n, err := strconv.ParseUint(arg, 10, 32)
			ts.Check(err)
			serials = append(serials, uint32(n))
		}
		made, ca := startCards(ts.Value(testKey{}).(testing.TB), serials...)
		ts.Check(writeRoot(ts.MkAbs("piv-root.pem"), ca))
		for i, c := range made {
			all[args[i+1]] = c
		}
		for _, entry := range made[0].Environ() {
			name, value, _ := strings.Cut(entry, "=")
			ts.Setenv(name, value)
		}
		return
	}
	c := all[args[1]]
	if c == nil {
		ts.Fatalf("no card %s", args[1])
	}
	switch args[0] {
	case "give":
		c.Touch(true)
	case "withhold":
		c.Touch(false)
	case "pull":
		c.OnTouch(func() bool { return c.Eject() != nil })
	case "eject":
		ts.Check(c.Eject())
	case "insert":
		ts.Check(c.Insert())
	case "touched":
		if got := strconv.Itoa(c.TouchesAsked()); len(args) != 3 || got != args[2] {
			ts.Fatalf("card %s was touched %s times", args[1], got)
		}
	default:
		ts.Fatalf(usage)
	}
}
