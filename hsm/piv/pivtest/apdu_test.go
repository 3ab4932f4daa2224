package pivtest_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// TestForms sends the same command in each form that ISO/IEC 7816-4 gives it, and
// bytes that are none.
func TestForms(t *testing.T) {
	w := newWire(t)
	for message, want := range map[string]uint16{
		"00fd0000":                     0x9000, // no data, no length
		"00fd000000":                   0x9000, // any length
		"00fd000003":                   0x9000,
		"00fd000002":                   0x6101, // one byte stays behind
		"00fd0000000000":               0x9000, // extended, any length
		"00fd0000000003":               0x9000,
		"00a4040005a000000308":         0x9000, // data
		"00a4040005a00000030800":       0x9000, // data and length
		"00a40400000005a000000308":     0x9000,
		"00a40400000005a0000003080000": 0x9000,
		"":                             0x6700,
		"00":                           0x6700,
		"00fd00":                       0x6700,
		"00a4040005a0000003":           0x6700, // too short
		"00a4040005a0000003080000":     0x6700, // too long
		"00a4040000":                   0x6a82, // no name
		"00a404000000":                 0x6700, // half an extended length
		"00a40400000005a0000003":       0x6700,
		"00a40400000005a00000030800":   0x6700,
		"00a4040000000000":             0x6700, // extended, no data
		"80fd0000":                     0x6e00, // class
		"0cfd0000":                     0x6e00,
		"01fd0000":                     0x6e00,
		"00110000":                     0x6d00, // instruction
		"00a4000005a000000308":         0x6a86, // parameter
		"00a4040006a00000030801":       0x6a82, // name
		"00c0000000":                   0x6985, // nothing is pending
	} {
		if _, got := w.raw(unhex(t, message)); got != want {
			t.Errorf("%q: status %04x, want %04x", message, got, want)
		}
	}
}

// TestChain writes an object in parts and reads it in parts.
func TestChain(t *testing.T) {
	w := newWire(t)
	w.manage(0x03)
	object := strings.Repeat("0123456789abcdef", 375) // 3,000 bytes
	data := unhex(t, tlv("5c", "5fc105")+tlv("53", object))
	part := func(class byte, body []byte) uint16 {
		_, status := w.raw(append([]byte{class, insPut, 0x3f, 0xff, byte(len(body))}, body...))
		return status
	}
	for ; len(data) > 255; data = data[255:] {
		if status := part(0x10, data[:255]); status != 0x9000 {
			t.Fatalf("part: status %04x", status)
		}
	}
	if status := part(0, data); status != 0x9000 {
		t.Fatalf("last part: status %04x", status)
	}

	var got []byte
	r, status := w.raw(unhex(t, "00cb3fff055c035fc10500"))
	for got = append(got, r...); status&0xff00 == 0x6100; got = append(got, r...) {
		r, status = w.raw(unhex(t, "00c0000000"))
	}
	if want := unhex(t, tlv("53", object)); status != 0x9000 || !bytes.Equal(got, want) {
		t.Errorf("status %04x, object of %d bytes, want %d", status, len(got), len(want))
	}
	if whole := w.ok(insGet, 0x3f, 0xff, tlv("5c", "5fc105")); !bytes.Equal(whole, got) {
		t.Errorf("in one piece: %d bytes, want %d", len(whole), len(got))
	}
}

// TestBrokenChain leaves chains open, and makes one that never ends.
func TestBrokenChain(t *testing.T) {
	w := newWire(t)
	w.manage(0x03)
	begin := unhex(t, "10db3fff05"+"5c035fc105")
	if _, status := w.raw(begin); status != 0x9000 {
		t.Fatalf("status %04x", status)
	}
	w.want(0x6883, insVersion, 0, 0, "")
	w.ok(insVersion, 0, 0, "") // the chain is forgotten
	w.want(0x6a80, insPut, 0x3f, 0xff, "530101")

	part := append(unhex(t, "10db3fffff"), make([]byte, 255)...)
	for range 12 {
		if _, status := w.raw(part); status != 0x9000 {
			t.Fatalf("status %04x", status)
		}
	}
	if _, status := w.raw(part); status != 0x6700 {
		t.Errorf("after 3,315 bytes: status %04x, want 6700", status)
	}
}

// TestStrictData sends data objects that are almost right.
func TestStrictData(t *testing.T) {
	w := newWire(t)
	for data, want := range map[string]uint16{
		"5c035fc102":         0x6a82,
		"5c017e":             0x9000,
		"5c035fc10200":       0x6a80, // a byte behind
		"5c045fc10200":       0x6a80, // in the list, too
		"5c035fc1":           0x6a80, // cut
		"5c81035fc102":       0x6a80, // not the shortest length
		"5c805fc1020000":     0x6a80, // indefinite
		"5c035fc1025c017e":   0x6a80, // twice
		"5c035fc1028001ff":   0x6a80, // something else beside it
		"":                   0x6a80,
		"5c035fc182":         0x6a80, // a tag without an end
		"5c02ff7e":           0x6a82,
		"5c8400000003000000": 0x6a80,
	} {
		if _, got := w.send(insGet, 0x3f, 0xff, data); got != want {
			t.Errorf("GET DATA %s: status %04x, want %04x", data, got, want)
		}
	}
}

// TestSelect: to select PIV again changes nothing, to select another application
// forgets who was there, and what is not there leaves all as it is.
func TestSelect(t *testing.T) {
	w := wire{t, pivtest.New(t, pivtest.Serial(7))}
	w.want(0x6d00, insVerify, 0, 0x80, "")
	full := w.ok(insSelect, 4, 0, "a00000030800001000"+"0100")
	if got := hex.EncodeToString(full); got != "61114f0600001000010079074f05a000000308" {
		t.Errorf("properties %s", got)
	}
	w.ok(insVerify, 0, 0x80, padded("123456"))
	w.ok(insSelect, 4, 0, pivName)
	w.want(0x6a82, insSelect, 4, 0, "a000000308000010009999")
	w.ok(insVerify, 0, 0x80, "")
	if v := w.ok(insVersion, 0, 0, ""); !bytes.Equal(v, []byte{5, 4, 3}) {
		t.Errorf("version %v", v)
	}

	w.ok(insSelect, 4, 0, "a0000005272001")
	if serial := w.ok(0x01, 0x10, 0, ""); !bytes.Equal(serial, []byte{0, 0, 0, 7}) {
		t.Errorf("serial number %v", serial)
	}
	w.want(0x6d00, insVerify, 0, 0x80, "")
	w.ok(insSelect, 4, 0, pivName)
	w.want(0x63c3, insVerify, 0, 0x80, "")
}
