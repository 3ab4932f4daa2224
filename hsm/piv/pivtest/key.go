package pivtest

import "crypto"

// key is a private key in a slot.
type key struct {
	algorithm algorithm
	policy    policy
	origin    origin
	private   private
}

// origin says where a key comes from, in Yubico's numbering.
type origin byte

const (
	generated origin = 1
	imported  origin = 2
)

// private is what a key can do.
type private interface {
	// key is the private key, and public its other half, for crypto/x509.
	key() crypto.PrivateKey
	public() crypto.PublicKey
	// publicTLV is the public key as a sequence of data objects (SP 800-73-4
	// part 2, table 11).
	publicTLV() []byte
	// operation checks what is asked of the key, before anybody is asked to
	// permit it: tagChallenge to sign or decipher, tagExponent to agree on a
	// secret. Not ok when the key does not do that, or not with such data.
	operation(tag uint32, data []byte) (run func() ([]byte, error), ok bool)
}

// Tags of public keys and of the elements of imported private ones.
const (
	tagPublicKey = 0x7f49
	tagModulus   = 0x81
	tagExponentE = 0x82
	tagPoint     = 0x86

	tagPrime1      = 0x01 // to 0x05: p, q, d mod p-1, d mod q-1, 1/q mod p
	tagScalar      = 0x06
	tagSeedEd25519 = 0x07
	tagSeedX25519  = 0x08
)

// generate makes a key in a slot and answers with its public half (SP 800-73-4
// part 2, section 3.3.2).
func (c *Card) generate(cmd command) ([]byte, status) {
	s := slot(cmd.p2)
	switch {
	case cmd.p1 != 0 || !s.exists():
		return nil, statusParameters
	case !c.session.managed:
		return nil, statusRefused
	}
	f, ok := parseTemplate(cmd.data, 0xac)
	if !ok || !f.only(0x80, tagPINPolicy, tagTouchPolicy) || len(f[0x80]) != 1 {
		return nil, statusData
	}
	a := algorithm(f[0x80][0])
	kind, ok := c.kind(a)
	p, ok2 := parsePolicy(f, s)
	if !ok || !ok2 {
		return nil, statusData
	}
	made, err := kind.generate()
	if err != nil {
		return nil, statusInternal
	}
	c.keys[s] = &key{algorithm: a, policy: p, origin: generated, private: made}
	return appendTLV(nil, tagPublicKey, made.publicTLV()), statusOK
}

// importKey puts a key that was made elsewhere into a slot.
func (c *Card) importKey(cmd command) ([]byte, status) {
	s, a := slot(cmd.p2), algorithm(cmd.p1)
	kind, ok := c.kind(a)
	switch {
	case !ok || !s.exists():
		return nil, statusParameters
	case !c.session.managed:
		return nil, statusRefused
	}
	f, ok := parseTLV(cmd.data)
	if !ok {
		return nil, statusData
	}
	p, ok := parsePolicy(f, s)
	if !ok {
		return nil, statusData
	}
	loaded, ok := kind.load(f)
	if !ok {
		return nil, statusData
	}
	c.keys[s] = &key{algorithm: a, policy: p, origin: imported, private: loaded}
	return nil, statusOK
}

// moveKey moves a key to another slot, or with the slot 0xff deletes it.
func (c *Card) moveKey(cmd command) ([]byte, status) {
	to, from := slot(cmd.p1), slot(cmd.p2)
	switch {
	case !from.exists() || len(cmd.data) != 0 || to != 0xff && !to.exists() || to == attestation:
		return nil, statusParameters
	case !c.session.managed:
		return nil, statusRefused
	}
	k, ok := c.keys[from]
	if !ok {
		return nil, statusNoReference
	}
	if to != 0xff {
		if c.keys[to] != nil {
			return nil, statusConditions
		}
		c.keys[to] = k
	}
	delete(c.keys, from)
	return nil, statusOK
}
