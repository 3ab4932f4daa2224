package pivtest_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

// wire speaks to a card with bytes, as a program does that has no library.
type wire struct {
	t    reporter
	card *pivtest.Card
}

// reporter is a test, or a draw of one.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// The commands that the tests send.
const (
	insVerify       = 0x20
	insChange       = 0x24
	insUnblock      = 0x2c
	insGenerate     = 0x47
	insAuthenticate = 0x87
	insSelect       = 0xa4
	insResponse     = 0xc0
	insGet          = 0xcb
	insPut          = 0xdb
	insMove         = 0xf6
	insMetadata     = 0xf7
	insSerial       = 0xf8
	insAttest       = 0xf9
	insRetries      = 0xfa
	insReset        = 0xfb
	insVersion      = 0xfd
	insImport       = 0xfe
	insManagement   = 0xff
)

const pivName = "a000000308"

// newWire makes a card and selects its PIV application.
func newWire(t *testing.T, options ...pivtest.Option) wire {
	t.Helper()
	w := wire{t, pivtest.New(t, options...)}
	w.ok(insSelect, 4, 0, pivName)
	return w
}

// raw sends bytes and takes the response apart.
func (w wire) raw(message []byte) ([]byte, uint16) {
	w.t.Helper()
	r := w.card.Transmit(message)
	if len(r) < 2 {
		w.t.Fatalf("response %x to %x", r, message)
	}
	return r[:len(r)-2], binary.BigEndian.Uint16(r[len(r)-2:])
}

// send sends a command in the extended form, with data in hex.
func (w wire) send(ins, p1, p2 byte, data string) ([]byte, uint16) {
	w.t.Helper()
	d := unhex(w.t, data)
	message := []byte{0, ins, p1, p2, 0}
	if len(d) > 0 {
		message = append(binary.BigEndian.AppendUint16(message, uint16(len(d))), d...)
	}
	return w.raw(append(message, 0, 0))
}

// ok is send for a command that must succeed.
func (w wire) ok(ins, p1, p2 byte, data string) []byte {
	w.t.Helper()
	return w.want(0x9000, ins, p1, p2, data)
}

// want is send for a command that must end with that status.
func (w wire) want(status uint16, ins, p1, p2 byte, data string) []byte {
	w.t.Helper()
	r, got := w.send(ins, p1, p2, data)
	if got != status {
		w.t.Fatalf("command %02x %02x %02x %.60s: status %04x, want %04x", ins, p1, p2, data, got, status)
	}
	return r
}

// manage shows the management key the card has.
func (w wire) manage(algorithm byte) {
	w.t.Helper()
	block := managementCipher(w.t, algorithm, w.card.ManagementKey())
	n := block.BlockSize()
	r := w.ok(insAuthenticate, algorithm, 0x9b, "7c028000")
	witness, mine := r[4:], bytes.Repeat([]byte{0x5a}, n)
	block.Decrypt(witness, bytes.Clone(witness))
	r = w.ok(insAuthenticate, algorithm, 0x9b, tlv("7c", tlv("80", hex.EncodeToString(witness))+tlv("81", hex.EncodeToString(mine))+"8200"))
	want := make([]byte, n)
	block.Encrypt(want, mine)
	if !bytes.Equal(r[4:], want) {
		w.t.Fatalf("the card enciphers %x as %x, want %x", mine, r[4:], want)
	}
}

func managementCipher(t reporter, algorithm byte, key []byte) cipher.Block {
	t.Helper()
	block, err := aes.NewCipher(key)
	if algorithm == 0x03 {
		block, err = des.NewTripleDESCipher(key)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return block
}

// key makes a P-256 key in a slot, with policies in Yubico's numbering.
func (w wire) key(slot, pin, touch byte) {
	w.t.Helper()
	w.ok(insGenerate, 0, slot, tlv("ac", "800111"+"aa01"+hex.EncodeToString([]byte{pin})+"ab01"+hex.EncodeToString([]byte{touch})))
}

// sign asks for a signature with such a key.
func (w wire) sign(slot byte) uint16 {
	w.t.Helper()
	_, status := w.send(insAuthenticate, 0x11, slot, tlv("7c", "8200"+tlv("81", hex.EncodeToString(make([]byte, 32)))))
	return status
}

// tlv writes a data object in hex.
func tlv(tag, value string) string {
	n := len(value) / 2
	switch {
	case n < 0x80:
		return tag + hex.EncodeToString([]byte{byte(n)}) + value
	case n < 0x100:
		return tag + "81" + hex.EncodeToString([]byte{byte(n)}) + value
	}
	return tag + "82" + hex.EncodeToString(binary.BigEndian.AppendUint16(nil, uint16(n))) + value
}

// padded is a PIN on the wire.
func padded(pin string) string {
	return hex.EncodeToString(append([]byte(pin), bytes.Repeat([]byte{0xff}, 8-len(pin))...))
}

func unhex(t reporter, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}
