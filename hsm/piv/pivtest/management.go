package pivtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // G502: the standard's cipher for the management key
	"crypto/rand"
	"crypto/subtle"
)

// managementReference names the management key in commands.
const managementReference = 0x9b

// Ciphers of management keys (SP 800-78-4, table 6-2).
const (
	cipher3DES   algorithm = 0x03
	cipherAES128 algorithm = 0x08
	cipherAES192 algorithm = 0x0a
	cipherAES256 algorithm = 0x0c
)

// managementSizes are the lengths of management keys, in bytes.
var managementSizes = map[algorithm]int{cipher3DES: 24, cipherAES128: 16, cipherAES192: 24, cipherAES256: 32}

// managementAlgorithm is what the factory sets.
func (v Version) managementAlgorithm() algorithm {
	if v.atLeast(firmwareCurves) {
		return cipherAES192
	}
	return cipher3DES
}

// managementKey is the key of the card's administrator.
type managementKey struct {
	algorithm algorithm
	value     []byte
	touch     touchPolicy
}

func (k managementKey) cipher() (cipher.Block, error) {
	if k.algorithm == cipher3DES {
		return des.NewTripleDESCipher(k.value)
	}
	return aes.NewCipher(k.value)
}

// challenge is what the card waits to see answered: a witness, which it sent
// enciphered, or a challenge, which it sent in clear.
type challenge struct {
	witness, plain []byte
}

// Data objects of the dynamic authentication template (SP 800-73-4 part 2,
// table 7).
const (
	tagTemplate  = 0x7c
	tagWitness   = 0x80
	tagChallenge = 0x81
	tagResponse  = 0x82
	tagExponent  = 0x85 // the other side's point
)

// authenticateManager lets in who has the management key: mutually, in two
// steps, by a witness that he deciphers and a challenge of his own; or in two
// steps by a challenge that he enciphers (SP 800-73-4 part 2, appendix A.1).
// A challenge is good for one answer.
func (c *Card) authenticateManager(cmd command) ([]byte, status) {
	f, ok := parseTemplate(cmd.data, tagTemplate)
	if !ok {
		return nil, statusData
	}
	block, err := c.management.cipher()
	if err != nil {
		return nil, statusInternal
	}
	asked := c.session.challenge
	c.session.challenge = challenge{}
	witness, hasWitness := f[tagWitness]
	plain, hasChallenge := f[tagChallenge]
	response := f[tagResponse]
	n := block.BlockSize()
	switch {
	case hasWitness && len(witness) == 0 && f.only(tagWitness):
		c.session.challenge.witness = make([]byte, n)
		return c.ask(tagWitness, c.session.challenge.witness, block.Encrypt)
	case hasChallenge && len(plain) == 0 && f.only(tagChallenge):
		c.session.challenge.plain = make([]byte, n)
		return c.ask(tagChallenge, c.session.challenge.plain, func(dst, src []byte) { copy(dst, src) })
	case len(witness) == n && len(plain) == n && len(response) == 0 && f.only(tagWitness, tagChallenge, tagResponse):
		if st := c.admit(asked.witness, witness); st != statusOK {
			return nil, st
		}
		block.Encrypt(plain, bytes.Clone(plain))
		return appendTLV(nil, tagTemplate, appendTLV(nil, tagResponse, plain)), statusOK
	case len(response) == n && f.only(tagResponse):
		want := make([]byte, n)
		if asked.plain != nil {
			block.Encrypt(want, asked.plain)
			asked.plain = want
		}
		return nil, c.admit(asked.plain, response)
	}
	return nil, statusData
}

// ask fills nonce and sends it, in the form that encode gives it.
func (c *Card) ask(tag uint32, nonce []byte, encode func(dst, src []byte)) ([]byte, status) {
	_, _ = rand.Read(nonce) // never fails
	sent := make([]byte, len(nonce))
	encode(sent, nonce)
	return appendTLV(nil, tagTemplate, appendTLV(nil, tag, sent)), statusOK
}

// admit lets the manager in when the answer is the expected one; with none
// expected, never. Who fails is out.
func (c *Card) admit(want, given []byte) status {
	c.session.managed = false
	if want == nil || subtle.ConstantTimeCompare(want, given) == 0 {
		return statusRefused
	}
	if !c.touched(c.management.touch) {
		return statusRefused
	}
	c.session.managed = true
	return statusOK
}

// setManagementKey replaces the management key: its cipher, its reference, its
// length and value. The last parameter is the touch that it will need.
func (c *Card) setManagementKey(cmd command) ([]byte, status) {
	if !c.session.managed {
		return nil, statusRefused
	}
	touch, ok := map[byte]touchPolicy{0xff: touchNever, 0xfe: touchAlways, 0xfd: touchCached}[cmd.p2]
	if cmd.p1 != 0xff || !ok {
		return nil, statusParameters
	}
	if len(cmd.data) < 3 || cmd.data[1] != managementReference || int(cmd.data[2]) != len(cmd.data)-3 {
		return nil, statusData
	}
	k := managementKey{algorithm: algorithm(cmd.data[0]), value: bytes.Clone(cmd.data[3:]), touch: touch}
	known := k.algorithm == cipher3DES || c.firmware.atLeast(firmwareAES)
	if size, ok := managementSizes[k.algorithm]; !ok || !known || size != len(k.value) {
		return nil, statusData
	}
	c.management = k
	return nil, statusOK
}
