package pivtest_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// FuzzAPDU sends a card any messages, each after its length as vpcd sends them.
// Whatever they are: each gets a response with a status that exists, the counters
// stay in their bounds, and who has not shown the management key has changed
// nothing that takes it.
func FuzzAPDU(f *testing.F) {
	for _, seed := range [][]string{
		{"00a4040005a000000308", "00fd0000", "00f80000", "0020008000"},
		{"0020008008313233343536ffff", "00cb3fff055c035fc109", "00cb3fff055c017e00"},
		{"0024008010313233343536ffff363534333231ffff", "002c0080103132333435363738313233343536ffff"},
		{"0087039b047c028000", "0087039b047c028100", "0087119a087c068200810411223344"},
		{"0047009a05ac03800111", "00f99a0000", "00f7009a00", "00fe119a03060101"},
		{"10db3fff055c035fc102", "00db3fff035301aa", "00db3fff085c035fc1025301aa", "00c0000000"},
		{"00ffffff03039b18", "00fa0505", "00fb0000", "00f6829a"},
	} {
		var stream []byte
		for _, s := range seed {
			message := unhex(f, s)
			stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(message))), message...)
		}
		f.Add(false, stream)
		f.Add(true, stream)
	}
	ca := pivtest.NewCA(f)
	f.Fuzz(func(t *testing.T, managed bool, stream []byte) {
		w := newWire(t, pivtest.AttestedBy(ca))
		if managed {
			w.manage(0x03)
			w.key(0x9a, 2, 3)
		}
		for n := 0; len(stream) >= 2 && n < 32; n++ {
			size := min(int(binary.BigEndian.Uint16(stream)), len(stream)-2)
			message := stream[2 : 2+size]
			stream = stream[2+size:]
			if slow(message) {
				continue
			}
			if _, status := w.raw(message); !known(status) {
				t.Fatalf("status %04x to %x", status, message)
			}
			if pin, puk := w.card.Tries(); pin < 0 || pin > 255 || puk < 0 || puk > 255 {
				t.Fatalf("%d and %d tries left after %x", pin, puk, message)
			}
		}
		w.raw([]byte{0, insVersion, 0, 0}) // ends a chain that is open
		if managed {
			return
		}
		w.ok(insSelect, 4, 0, pivName)
		w.want(0x6a88, insMetadata, 0, 0x9a, "")
		w.want(0x6a82, insGet, 0x3f, 0xff, "5c035fc102")
		w.want(0x6982, insPut, 0x3f, 0xff, "5c035fc1025301aa")
	})
}

// slow reports whether a message may ask for an RSA key, which takes time but has
// nothing to parse.
func slow(message []byte) bool {
	return len(message) > 1 && message[1] == insGenerate &&
		(message[0] != 0 || bytes.Contains(message, []byte{0x80, 1, 6}) || bytes.Contains(message, []byte{0x80, 1, 7}))
}

// known reports whether a status is one that the card may give.
func known(status uint16) bool {
	switch status {
	case 0x9000, 0x6700, 0x6883, 0x6982, 0x6983, 0x6985, 0x6a80, 0x6a82, 0x6a84, 0x6a86, 0x6a88, 0x6d00, 0x6e00:
		return true
	}
	return status&0xff00 == 0x6100 || status&0xfff0 == 0x63c0
}
