package pivtest_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// TestManagementKey changes the management key to each cipher, and shows it in
// both ways.
func TestManagementKey(t *testing.T) {
	w := newWire(t)
	w.want(0x6982, insManagement, 0xff, 0xff, "039b18"+strings.Repeat("11", 24))
	algorithm := byte(0x03)
	for _, next := range []struct {
		algorithm byte
		size      int
	}{{0x08, 16}, {0x0a, 24}, {0x0c, 32}, {0x03, 24}} {
		w.manage(algorithm)
		value := bytes.Repeat([]byte{next.algorithm + 0x40}, next.size)
		w.want(0x6a80, insManagement, 0xff, 0xff, fmt.Sprintf("%02x9b%02x%x", next.algorithm, next.size-1, value[1:]))
		w.ok(insManagement, 0xff, 0xff, fmt.Sprintf("%02x9b%02x%x", next.algorithm, next.size, value))
		algorithm = next.algorithm

		// From outside: the card's challenge, enciphered.
		block := managementCipher(t, algorithm, value)
		r := w.ok(insAuthenticate, algorithm, 0x9b, "7c028100")
		answer := make([]byte, block.BlockSize())
		block.Encrypt(answer, r[4:])
		reply := tlv("7c", tlv("82", hex.EncodeToString(answer)))
		w.ok(insAuthenticate, algorithm, 0x9b, reply)
		w.ok(insPut, 0x3f, 0xff, "5c035fc1025301aa")
		w.want(0x6982, insAuthenticate, algorithm, 0x9b, reply) // a challenge is good once
		w.want(0x6982, insPut, 0x3f, 0xff, "5c035fc1025301aa")
	}
	w.want(0x6982, insAuthenticate, 0x03, 0x9b, tlv("7c", tlv("80", strings.Repeat("00", 8))+tlv("81", strings.Repeat("00", 8))))
	w.want(0x6a86, insAuthenticate, 0x08, 0x9b, "7c028000")
	w.want(0x6a80, insAuthenticate, 0x03, 0x9b, "7c0280008100")
}

func TestManagementKeyOfFirmware(t *testing.T) {
	newWire(t, pivtest.Firmware(5, 7, 0)).manage(0x0a)
	w := newWire(t, pivtest.Firmware(5, 4, 1))
	w.manage(0x03)
	w.want(0x6a80, insManagement, 0xff, 0xff, "089b10"+strings.Repeat("11", 16))
}

// TestManagementTouch: a management key that wants a touch is no use without.
func TestManagementTouch(t *testing.T) {
	w := newWire(t)
	w.manage(0x03)
	w.ok(insManagement, 0xff, 0xfe, "039b18"+strings.Repeat("11", 24))
	w.manage(0x03)
	w.card.Touch(false)
	r := w.ok(insAuthenticate, 0x03, 0x9b, "7c028100")
	answer := make([]byte, 8)
	managementCipher(t, 3, w.card.ManagementKey()).Encrypt(answer, r[4:])
	w.want(0x6982, insAuthenticate, 0x03, 0x9b, tlv("7c", tlv("82", hex.EncodeToString(answer))))
	w.want(0x6982, insPut, 0x3f, 0xff, "5c035fc1025301aa")
}

func TestPINPolicy(t *testing.T) {
	const never, once, always = 1, 2, 3
	w := newWire(t)
	w.manage(0x03)
	w.key(0x82, never, 1)
	w.key(0x83, once, 1)
	w.key(0x84, always, 1)
	w.key(0x9a, 0, 0) // the slot's own: once
	w.key(0x9c, 0, 0) // always
	w.key(0x9e, 0, 0) // never
	expect := func(when string, want map[byte]uint16) {
		t.Helper()
		for _, slot := range []byte{0x82, 0x9e, 0x84, 0x9c, 0x83, 0x9a} {
			if got := w.sign(slot); got != want[slot] {
				t.Errorf("%s: slot %x: status %04x, want %04x", when, slot, got, want[slot])
			}
		}
	}
	expect("without PIN", map[byte]uint16{0x82: 0x9000, 0x9e: 0x9000, 0x84: 0x6982, 0x9c: 0x6982, 0x83: 0x6982, 0x9a: 0x6982})
	w.ok(insVerify, 0, 0x80, padded("123456"))
	expect("after other uses", map[byte]uint16{0x82: 0x9000, 0x9e: 0x9000, 0x84: 0x6982, 0x9c: 0x6982, 0x83: 0x9000, 0x9a: 0x9000})
	for _, slot := range []byte{0x84, 0x9c} {
		w.ok(insVerify, 0, 0x80, padded("123456"))
		if first, second := w.sign(slot), w.sign(slot); first != 0x9000 || second != 0x6982 {
			t.Errorf("slot %x right after the PIN, and again: %04x, %04x", slot, first, second)
		}
	}
	w.want(0x63c2, insVerify, 0, 0x80, padded("000000"))
	if got := w.sign(0x83); got != 0x6982 {
		t.Errorf("after a wrong PIN: status %04x", got)
	}
}

func TestTouchPolicy(t *testing.T) {
	const never, always, cached = 1, 2, 3
	now := time.Unix(1000, 0)
	w := newWire(t, pivtest.Clock(func() time.Time { return now }))
	w.manage(0x03)
	w.key(0x82, 1, never)
	w.key(0x83, 1, always)
	w.key(0x84, 1, cached)
	steps := []struct {
		slot    byte
		given   bool
		later   time.Duration
		status  uint16
		touches int
	}{
		{0x82, false, 0, 0x9000, 0},
		{0x83, false, 0, 0x6982, 1},
		{0x83, true, 0, 0x9000, 2},
		{0x83, false, 0, 0x6982, 3},
		{0x84, false, 0, 0x6982, 4}, // the touch for another policy is not remembered
		{0x84, true, 0, 0x9000, 5},
		{0x84, false, 14 * time.Second, 0x9000, 5},
		{0x83, false, 0, 0x6982, 6},
		{0x84, false, time.Second, 0x6982, 7},
		{0x84, true, 0, 0x9000, 8},
		{0x84, false, -time.Hour, 0x6982, 9},
	}
	for i, s := range steps {
		now = now.Add(s.later)
		w.card.Touch(s.given)
		if got := w.sign(s.slot); got != s.status || w.card.TouchesAsked() != s.touches {
			t.Errorf("step %d: status %04x after %d touches, want %04x after %d", i, got, w.card.TouchesAsked(), s.status, s.touches)
		}
	}
}

// TestBadOperands: what a key cannot do costs neither touch nor PIN.
func TestBadOperands(t *testing.T) {
	w := newWire(t)
	w.manage(0x03)
	w.key(0x9c, 3, 2)
	w.ok(insVerify, 0, 0x80, padded("123456"))
	for _, data := range []string{
		"", "7c00", "7c028200", tlv("7c", "8200"+"8100"), tlv("7c", "8200"+tlv("81", strings.Repeat("00", 33))),
		tlv("7c", tlv("81", strings.Repeat("00", 32))), tlv("7c", "820100"+tlv("81", strings.Repeat("00", 32))),
		tlv("7c", "8200"+tlv("85", "04"+strings.Repeat("01", 64))), tlv("7c", "8200"+"8500"),
		tlv("7c", "8200"+tlv("81", "00")+tlv("85", "00")),
	} {
		w.want(0x6a80, insAuthenticate, 0x11, 0x9c, data)
	}
	w.want(0x6a86, insAuthenticate, 0x14, 0x9c, "7c028200")
	w.want(0x6a86, insAuthenticate, 0x11, 0xf9, "7c028200")
	w.want(0x6a88, insAuthenticate, 0x11, 0x9d, "7c028200")
	if n := w.card.TouchesAsked(); n != 0 {
		t.Errorf("%d touches asked for", n)
	}
	if got := w.sign(0x9c); got != 0x9000 {
		t.Errorf("afterwards: status %04x", got)
	}
}
