package pkcs11

import (
	"strings"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// Labels tell keyd's token objects from others', CKA_ID one of them from the next.
const (
	domainLabel   = "keyd domain key"
	residentLabel = "keyd resident key"
)

// grant is an attribute that lets a key do something.
type grant struct {
	attribute uint
	name      string
}

var (
	maySign    = grant{p11.CKA_SIGN, "CKA_SIGN"}
	mayVerify  = grant{p11.CKA_VERIFY, "CKA_VERIFY"}
	mayEncrypt = grant{p11.CKA_ENCRYPT, "CKA_ENCRYPT"}
	mayDecrypt = grant{p11.CKA_DECRYPT, "CKA_DECRYPT"}
	mayWrap    = grant{p11.CKA_WRAP, "CKA_WRAP"}
	mayUnwrap  = grant{p11.CKA_UNWRAP, "CKA_UNWRAP"}
	mayDerive  = grant{p11.CKA_DERIVE, "CKA_DERIVE"}

	// What PKCS#11 2.40 lets secret and private keys do (tables 19 and 20).
	// Each is given a value: several default to true. C_SignRecover is nothing
	// that CKA_SIGN does not allow, and not every token has it.
	secretGrants  = []grant{maySign, mayVerify, mayEncrypt, mayDecrypt, mayWrap, mayUnwrap, mayDerive}
	privateGrants = []grant{maySign, mayDecrypt, mayUnwrap, mayDerive}
)

// granted says what a key of this kind may do.
func (k kind) granted() []grant {
	switch k.use {
	case hsm.Decrypt:
		return []grant{mayDecrypt}
	case hsm.Derive:
		return []grant{mayDerive}
	case hsm.Transport:
		return []grant{mayUnwrap, mayDecrypt}
	}
	return []grant{maySign}
}

// stored is the template of a key that is made or imported to be wrapped: a
// session object, extractable for the moment until it is, and SENSITIVE, so
// that it leaves wrapped or not at all.
func (k kind) stored() []*p11.Attribute {
	return k.template(p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_EXTRACTABLE, true))
}

// working is the template of a working copy, which never leaves again.
func (k kind) working(private bool) []*p11.Attribute {
	t := k.template(p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_EXTRACTABLE, false))
	for i, a := range t {
		if a.Type == p11.CKA_PRIVATE {
			t[i] = p11.NewAttribute(p11.CKA_PRIVATE, private)
		}
	}
	return t
}

// private says whether working copies of a kind are CKA_PRIVATE: all are, but for
// secrets in SoftHSM. It keeps private objects encrypted in the memory of this
// process, beside their key, and decrypts them under a lock of all sessions each
// time that they are used, which is half the time of a MAC, and with two threads
// two thirds ("go test -bench MAC ./hsm/pkcs11"). A session object is visible to
// this process alone either way, and SENSITIVE; a real device keeps both alike.
func (t *Token) private(k kind) bool {
	return k.pair() || !strings.HasPrefix(t.info.Manufacturer, "SoftHSM")
}

// resident is the template of a key that stays on the token.
func (k kind) resident(id string) []*p11.Attribute {
	return k.template(
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_LABEL, residentLabel),
		p11.NewAttribute(p11.CKA_ID, []byte(id)))
}

// made adds what C_GenerateKey must know of a secret. It may not be given to
// C_UnwrapKey (PKCS#11 2.40, table 41), nor for the private key of a pair.
func (k kind) made(template []*p11.Attribute) []*p11.Attribute {
	if k.pair() {
		return template
	}
	return append(template, p11.NewAttribute(p11.CKA_VALUE_LEN, k.shape().secret))
}

// template is what all keys of a kind have in common: they may do what their
// use is, no more.
func (k kind) template(more ...*p11.Attribute) []*p11.Attribute {
	all := secretGrants
	if k.pair() {
		all = privateGrants
	}
	return append(granting(k.class(), k.keyType(), all, k.granted()), more...)
}

// granting is the template of a private object that may do what is granted.
func granting(class, keyType uint, all, granted []grant) []*p11.Attribute {
	t := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, class),
		p11.NewAttribute(p11.CKA_KEY_TYPE, keyType),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
	}
	for _, c := range claims(all, granted) {
		t = append(t, p11.NewAttribute(c.attribute, c.value))
	}
	return t
}

// public is the template of a pair's public key: an object of the session,
// read once and destroyed. What it may do matters to no one.
func (k kind) public() []*p11.Attribute {
	t := []*p11.Attribute{p11.NewAttribute(p11.CKA_TOKEN, false)}
	s := k.shape()
	if s.curve != nil {
		return append(t, p11.NewAttribute(p11.CKA_EC_PARAMS, s.curve.params))
	}
	return append(t,
		p11.NewAttribute(p11.CKA_MODULUS_BITS, s.bits),
		p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
}

// domainTemplate says what a domain key is.
func domainTemplate(id string) []*p11.Attribute {
	return append(granting(p11.CKO_SECRET_KEY, p11.CKK_AES, secretGrants, []grant{mayWrap, mayUnwrap}),
		p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_LABEL, domainLabel),
		p11.NewAttribute(p11.CKA_ID, []byte(id)))
}

// claim is a boolean attribute and the value that keyd relies on.
type claim struct {
	grant
	value bool
}

// claims says of each thing whether it is granted.
func claims(all, granted []grant) []claim {
	list := make([]claim, 0, len(all)+3)
	for _, g := range all {
		c := claim{grant: g}
		for _, yes := range granted {
			c.value = c.value || yes == g
		}
		list = append(list, c)
	}
	return list
}

var (
	isPrivate   = claim{grant{p11.CKA_PRIVATE, "CKA_PRIVATE"}, true}
	isSensitive = claim{grant{p11.CKA_SENSITIVE, "CKA_SENSITIVE"}, true}
	isKept      = claim{grant{p11.CKA_EXTRACTABLE, "CKA_EXTRACTABLE"}, false}

	// isStored is claimed of a key between its making and its wrapping.
	isStored = []claim{isSensitive}

	// isDomain: a key that may also decrypt would give wrapped keys away in clear.
	isDomain = append(claims(
		[]grant{mayWrap, mayUnwrap, mayEncrypt, mayDecrypt}, []grant{mayWrap, mayUnwrap}),
		isPrivate, isSensitive, isKept)
)

// isWorking is claimed of a key that is used: it may do what its use is, and
// of a pair's private key no more.
func (k kind) isWorking(private bool) []claim {
	all := k.granted()
	if k.pair() {
		all = privateGrants
	}
	return append(claims(all, k.granted()), claim{isPrivate.grant, private}, isSensitive, isKept)
}
