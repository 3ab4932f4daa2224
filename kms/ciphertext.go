package kms

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// The layout of docs/spec/ciphertext.md, version 1.
const (
	blobVersion = 1

	formUUID = 0
	formMRK  = 1

	headerSize  = 38 // version, form, key id, number, nonce
	nonceOffset = 22
	nonceSize   = 16
	ivSize      = 12
	tagSize     = 16

	// MaxCiphertext is the longest blob that Decrypt takes, as in AWS's model.
	MaxCiphertext = 6144
	minCiphertext = headerSize + ivSize + tagSize
)

// A blob is a parsed ciphertext: where its key is, and what to open.
type blob struct {
	keyID  string
	number uint32
	header []byte // as it stands in the ciphertext, 38 bytes
	iv     []byte
	sealed []byte // ciphertext and tag
}

// parseBlob reads the layout and refuses what cannot be a version 1 blob. It
// keeps references into b.
func parseBlob(b []byte) (blob, bool) {
	if len(b) < minCiphertext || len(b) > MaxCiphertext || b[0] != blobVersion {
		return blob{}, false
	}
	id, ok := keyIDString(b[1], b[2:18])
	number := binary.BigEndian.Uint32(b[18:nonceOffset])
	if !ok || number == 0 {
		return blob{}, false
	}
	return blob{
		keyID:  id,
		number: number,
		header: b[:headerSize],
		iv:     b[headerSize : headerSize+ivSize],
		sealed: b[headerSize+ivSize:],
	}, true
}

// appendHeader writes the header of a new message under backing key number of
// the key id, which must be well formed.
func appendHeader(dst []byte, id string, number uint32, nonce []byte) []byte {
	form, raw := keyIDBytes(id)
	dst = append(dst, blobVersion, form)
	dst = append(dst, raw[:]...)
	dst = binary.BigEndian.AppendUint32(dst, number)
	return append(dst, nonce...)
}

// keyIDBytes gives the binary form of a well-formed key id.
func keyIDBytes(id string) (form byte, raw [16]byte) {
	digits := strings.ReplaceAll(id, "-", "")
	if rest, ok := strings.CutPrefix(digits, "mrk"); ok {
		form, digits = formMRK, rest
	}
	if _, err := hex.Decode(raw[:], []byte(digits)); err != nil {
		panic("kms: malformed key id " + id) // ids come from NewKeyID or validKeyID
	}
	return form, raw
}

// keyIDString is the reverse of keyIDBytes.
func keyIDString(form byte, raw []byte) (string, bool) {
	s := hex.EncodeToString(raw)
	switch form {
	case formUUID:
		return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], true
	case formMRK:
		return "mrk-" + s, true
	}
	return "", false
}

// appendContext writes the canonical form of an encryption context, the same
// for every order of its pairs.
func appendContext(dst []byte, context map[string]string) []byte {
	keys := make([]string, 0, len(context))
	for k := range context {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(keys)))
	for _, k := range keys {
		dst = appendString(dst, k)
		dst = appendString(dst, context[k])
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
