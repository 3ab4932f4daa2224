package pkcs11

import (
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// Labels tell keyd's token objects from others', CKA_ID one of them from the next.
const (
	domainLabel   = "keyd domain key"
	residentLabel = "keyd resident key"
)

// maxID bounds an id; CKA_ID has no limit of its own, but tokens do.
const maxID = 128

// Templates, made once: they are only ever read.
var (
	// A session key is extractable for the moment between its generation and
	// its wrapping; SENSITIVE, so that it leaves wrapped or not at all.
	storedHMAC = template(
		p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, true))
	// The working copy never leaves again. CKA_VALUE_LEN may not be given to
	// C_UnwrapKey (PKCS#11 2.40, table 41).
	workingHMAC = template(
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false))
)

// template says what an HMAC key is: a session object that can sign, no more.
func template(more ...*p11.Attribute) []*p11.Attribute {
	return append([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET),
		p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_SIGN, true),
		p11.NewAttribute(p11.CKA_VERIFY, false),
		p11.NewAttribute(p11.CKA_ENCRYPT, false),
		p11.NewAttribute(p11.CKA_DECRYPT, false),
		p11.NewAttribute(p11.CKA_WRAP, false),
		p11.NewAttribute(p11.CKA_UNWRAP, false),
		p11.NewAttribute(p11.CKA_DERIVE, false),
	}, more...)
}

// domainTemplate says what a domain key is.
func domainTemplate(id string) []*p11.Attribute {
	return []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_AES),
		p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_WRAP, true),
		p11.NewAttribute(p11.CKA_UNWRAP, true),
		p11.NewAttribute(p11.CKA_ENCRYPT, false),
		p11.NewAttribute(p11.CKA_DECRYPT, false),
		p11.NewAttribute(p11.CKA_SIGN, false),
		p11.NewAttribute(p11.CKA_VERIFY, false),
		p11.NewAttribute(p11.CKA_DERIVE, false),
		p11.NewAttribute(p11.CKA_LABEL, domainLabel),
		p11.NewAttribute(p11.CKA_ID, []byte(id)),
	}
}

// residentTemplate says what an HMAC key that stays on the token is.
func residentTemplate(id string) []*p11.Attribute {
	return []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET),
		p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_SIGN, true),
		p11.NewAttribute(p11.CKA_VERIFY, false),
		p11.NewAttribute(p11.CKA_ENCRYPT, false),
		p11.NewAttribute(p11.CKA_DECRYPT, false),
		p11.NewAttribute(p11.CKA_WRAP, false),
		p11.NewAttribute(p11.CKA_UNWRAP, false),
		p11.NewAttribute(p11.CKA_DERIVE, false),
		p11.NewAttribute(p11.CKA_LABEL, residentLabel),
		p11.NewAttribute(p11.CKA_ID, []byte(id)),
	}
}

// claim is a boolean attribute and the value that keyd relies on.
type claim struct {
	attribute uint
	name      string
	value     bool
}

var (
	guarded = []claim{
		{p11.CKA_PRIVATE, "CKA_PRIVATE", true},
		{p11.CKA_SENSITIVE, "CKA_SENSITIVE", true},
		{p11.CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false},
	}
	isStored   = []claim{{p11.CKA_SENSITIVE, "CKA_SENSITIVE", true}}
	isWorking  = append([]claim{{p11.CKA_SIGN, "CKA_SIGN", true}}, guarded...)
	isResident = isWorking
	isDomain   = append([]claim{
		{p11.CKA_WRAP, "CKA_WRAP", true},
		{p11.CKA_UNWRAP, "CKA_UNWRAP", true},
		// A key that may also decrypt would give wrapped keys away in clear.
		{p11.CKA_ENCRYPT, "CKA_ENCRYPT", false},
		{p11.CKA_DECRYPT, "CKA_DECRYPT", false},
	}, guarded...)
)

// verify reads back what the token made of an object. A module may take a
// template and keep something else, and somebody else may have put an object
// of our label on the token.
func (s session) verify(h p11.ObjectHandle, claims []claim) error {
	types := make([]uint, len(claims))
	for i, c := range claims {
		types[i] = c.attribute
	}
	values, err := s.attributes(h, types...)
	if err != nil {
		return err
	}
	for i, c := range claims {
		if v := values[i]; len(v) != 1 || (v[0] != 0) != c.value {
			return fmt.Errorf("key on the token is refused: %s is not %t", c.name, c.value)
		}
	}
	return nil
}

// lookup finds the token object of that label and id, and refuses two of them.
func (s session) lookup(label, id string) (h p11.ObjectHandle, found bool, err error) {
	objects, err := s.find([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_LABEL, label),
		p11.NewAttribute(p11.CKA_ID, []byte(id)),
	})
	switch {
	case err != nil:
		return 0, false, err
	case len(objects) > 1:
		return 0, false, fmt.Errorf("%s %q: %d of them on the token, one is wanted", label, id, len(objects))
	case len(objects) == 0:
		return 0, false, nil
	}
	return objects[0], true, nil
}

// notFound answers for a key that is not on the token.
func notFound(label, id string) error {
	return fmt.Errorf("%s %q: %w", label, id, hsm.ErrNotFound)
}

// checkID refuses ids that a token could not keep.
func checkID(label, id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("%s: id has %d bytes, 1 to %d are allowed", label, len(id), maxID)
	}
	return nil
}
