package pkcs11

import (
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// maxID bounds an id; CKA_ID has no limit of its own, but tokens do.
const maxID = 128

// verify reads back what the token made of an object. A module may take a
// template and keep something else, and somebody else may have put an object
// of our label on the token.
func (s session) verify(h p11.ObjectHandle, claims []claim) error {
	_, err := s.examine(h, claims)
	return err
}

// examine is verify that reads other attributes as well.
func (s session) examine(h p11.ObjectHandle, claims []claim, more ...uint) ([][]byte, error) {
	types := make([]uint, len(claims), len(claims)+len(more))
	for i, c := range claims {
		types[i] = c.attribute
	}
	values, err := s.attributes(h, append(types, more...)...)
	if err != nil {
		return nil, err
	}
	for i, c := range claims {
		if v := values[i]; len(v) != 1 || (v[0] != 0) != c.value {
			return nil, fmt.Errorf("key on the token is refused: %s is not %t", c.name, c.value)
		}
	}
	return values[len(claims):], nil
}

// lookup finds the token object of that label and id, of whatever class, and
// refuses two of them.
func (s session) lookup(label, id string) (h p11.ObjectHandle, found bool, err error) {
	objects, err := s.find([]*p11.Attribute{
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
