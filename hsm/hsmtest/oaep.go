package hsmtest

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"errors"
)

// openOAEP takes the message out of an encoded one (RFC 8017, section 7.1.2),
// with no label. It is for tests: its time tells what it finds.
func openOAEP(h crypto.Hash, block []byte) ([]byte, error) {
	n := h.Size()
	seed, db := bytes.Clone(block[1:1+n]), bytes.Clone(block[1+n:])
	mask(h, seed, db)
	mask(h, db, seed)
	if block[0] != 0 || !bytes.Equal(db[:n], h.New().Sum(nil)) {
		return nil, errors.New("no OAEP encoding")
	}
	_, message, ok := bytes.Cut(db[n:], []byte{1})
	if !ok || len(bytes.Trim(db[n:len(db)-len(message)-1], "\x00")) > 0 {
		return nil, errors.New("no OAEP padding")
	}
	return message, nil
}

// mask is MGF1 (RFC 8017, appendix B.2.1).
func mask(h crypto.Hash, out, seed []byte) {
	for i, done := uint32(0), 0; done < len(out); i++ {
		d := h.New()
		d.Write(seed)
		d.Write(binary.BigEndian.AppendUint32(nil, i))
		for _, b := range d.Sum(nil) {
			if done < len(out) {
				out[done] ^= b
				done++
			}
		}
	}
}
