// Card puts a virtual YubiKey into a reader of its own, for programs that are not
// tests of this module: those of e2e/clients, and people who have none at hand.
//
//	go run ./e2e/card -serial 1001 -root root.pem
//
// It prints the environment in which other programs find the reader, and writes
// the certificate of the authority that attests the card's keys to a file. Each
// line of its standard input is what the person does: give or withhold the touches
// to come, eject or insert the card. It answers each with a line, and ends with its
// input.
package main

import (
	"bufio"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

func main() {
	serial := flag.Uint("serial", 1001, "serial `NUMBER` of the card")
	root := flag.String("root", "", "`FILE` for the certificate of the authority that attests its keys")
	flag.Parse()
	var l life
	if err := run(&l, uint32(*serial), *root); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		l.failed = true
	}
	l.end()
	if l.failed {
		os.Exit(1)
	}
}

func run(l *life, serial uint32, root string) error {
	c := pivtest.Start(l, pivtest.Serial(serial))
	if root != "" {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.CA().Root().Raw})
		if err := os.WriteFile(root, text, 0o600); err != nil {
			return err
		}
	}
	for _, entry := range c.Environ() {
		fmt.Println(entry)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := do(c, in.Text()); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

func do(c *pivtest.Card, word string) error {
	switch word {
	case "give", "withhold":
		c.Touch(word == "give")
		return nil
	case "eject":
		return c.Eject()
	case "insert":
		return c.Insert()
	}
	return fmt.Errorf("%q: give, withhold, eject or insert", word)
}

// life is the test that the card believes to be in.
type life struct {
	ends   []func()
	failed bool
}

// Helper does nothing.
func (*life) Helper() {}

// Logf writes to standard error.
func (*life) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Fatalf ends the program, after what Cleanup was told.
func (l *life) Fatalf(format string, args ...any) {
	l.Logf(format, args...)
	l.end()
	os.Exit(1)
}

// Cleanup has fn done at the end.
func (l *life) Cleanup(fn func()) { l.ends = append(l.ends, fn) }

// end does what Cleanup was told, the latest first.
func (l *life) end() {
	ends := l.ends
	l.ends = nil
	for _, fn := range slices.Backward(ends) {
		fn()
	}
}
