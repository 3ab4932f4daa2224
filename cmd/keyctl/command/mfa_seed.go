package command

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/keyd-hsm/keyd/internal/term"
)

// The length of a seed in bytes, and how much of a file can be one.
const (
	minSeed     = 16
	maxSeed     = 128
	maxSeedText = 4 * maxSeed
)

// readSeed reads the seed of a token from a file, or standard input.
func (c *cli) readSeed(name string) ([]byte, error) {
	text, err := c.read(input{in: name}, maxSeedText)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, err
	}
	seed, ok := parseSeed(text)
	if err != nil || !ok || len(seed) < minSeed || len(seed) > maxSeed {
		return nil, usagef("one seed of 16 to 128 bytes, in base32 or hexadecimal, or raw", "%s: not the seed of a token", name)
	}
	return seed, nil
}

// parseSeed reads a seed in hexadecimal, in base32 with or without padding and
// spaces, or raw. A seed in base32 that could be hexadecimal is one in 10^13.
func parseSeed(text []byte) ([]byte, bool) {
	if !term.Printable(text) {
		return text, true
	}
	packed := bytes.Join(bytes.Fields(text), nil)
	if b := make([]byte, hex.DecodedLen(len(packed))); len(packed)%2 == 0 {
		if _, err := hex.Decode(b, packed); err == nil {
			return b, true
		}
	}
	letters := strings.TrimRight(strings.ToUpper(string(packed)), "=")
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(letters)
	return b, err == nil
}
