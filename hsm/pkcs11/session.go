package pkcs11

import (
	"fmt"

	p11 "github.com/miekg/pkcs11"
)

// session is a PKCS#11 session. It belongs to one goroutine at a time; see
// epoch for how it is lent.
type session struct {
	c *p11.Ctx
	h p11.SessionHandle
}

// openSession opens a session with the token in a slot.
func openSession(c *p11.Ctx, slot uint, write bool) (session, error) {
	flags := uint(p11.CKF_SERIAL_SESSION)
	if write {
		flags |= p11.CKF_RW_SESSION
	}
	h, err := c.OpenSession(slot, flags)
	return session{c, h}, called("C_OpenSession", err)
}

func (s session) close() { _ = s.c.CloseSession(s.h) }

// sign signs, or computes an HMAC, of a known length: the hot path, two calls
// into the module.
func (s session) sign(m []*p11.Mechanism, key p11.ObjectHandle, data []byte, length int) ([]byte, error) {
	if err := s.c.SignInit(s.h, m, key); err != nil {
		return nil, called("C_SignInit", err)
	}
	sum, err := s.c.Sign(s.h, data)
	if err != nil {
		return nil, called("C_Sign", err)
	}
	if len(sum) != length {
		return nil, fmt.Errorf("C_Sign: %d bytes where %d are wanted", len(sum), length)
	}
	return sum, nil
}

// decrypt is for one block; callers check its length.
func (s session) decrypt(m []*p11.Mechanism, key p11.ObjectHandle, ciphertext []byte) ([]byte, error) {
	if err := s.c.DecryptInit(s.h, m, key); err != nil {
		return nil, called("C_DecryptInit", err)
	}
	b, err := s.c.Decrypt(s.h, ciphertext)
	return b, called("C_Decrypt", err)
}

func (s session) derive(m []*p11.Mechanism, key p11.ObjectHandle, template []*p11.Attribute) (p11.ObjectHandle, error) {
	h, err := s.c.DeriveKey(s.h, m, key, template)
	return h, called("C_DeriveKey", err)
}

func (s session) random(n int) ([]byte, error) {
	b, err := s.c.GenerateRandom(s.h, n)
	return b, called("C_GenerateRandom", err)
}

func (s session) generate(m []*p11.Mechanism, template []*p11.Attribute) (p11.ObjectHandle, error) {
	h, err := s.c.GenerateKey(s.h, m, template)
	return h, called("C_GenerateKey", err)
}

func (s session) generatePair(m []*p11.Mechanism, public, private []*p11.Attribute) (pub, priv p11.ObjectHandle, err error) {
	pub, priv, err = s.c.GenerateKeyPair(s.h, m, public, private)
	return pub, priv, called("C_GenerateKeyPair", err)
}

func (s session) wrap(m []*p11.Mechanism, domain, key p11.ObjectHandle) ([]byte, error) {
	b, err := s.c.WrapKey(s.h, m, domain, key)
	return b, called("C_WrapKey", err)
}

// unwrap panics, in the driver, on an empty wrapped key: callers check.
func (s session) unwrap(m []*p11.Mechanism, domain p11.ObjectHandle, wrapped []byte, template []*p11.Attribute) (p11.ObjectHandle, error) {
	h, err := s.c.UnwrapKey(s.h, m, domain, wrapped, template)
	return h, called("C_UnwrapKey", err)
}

func (s session) destroy(h p11.ObjectHandle) error {
	return called("C_DestroyObject", s.c.DestroyObject(s.h, h))
}

// find returns every object that fits the template.
func (s session) find(template []*p11.Attribute) (found []p11.ObjectHandle, err error) {
	if err := s.c.FindObjectsInit(s.h, template); err != nil {
		return nil, called("C_FindObjectsInit", err)
	}
	defer func() {
		if final := s.c.FindObjectsFinal(s.h); err == nil {
			err = called("C_FindObjectsFinal", final)
		}
	}()
	for {
		some, _, err := s.c.FindObjects(s.h, 100)
		if err != nil {
			return nil, called("C_FindObjects", err)
		}
		if len(some) == 0 {
			return found, nil
		}
		found = append(found, some...)
	}
}

// attributes reads attributes, in the order asked for. It is never asked for
// CKA_VALUE, but by Derive for the secret that is its answer.
func (s session) attributes(h p11.ObjectHandle, types ...uint) ([][]byte, error) {
	ask := make([]*p11.Attribute, len(types))
	for i, t := range types {
		ask[i] = p11.NewAttribute(t, nil)
	}
	got, err := s.c.GetAttributeValue(s.h, h, ask)
	if err != nil {
		return nil, called("C_GetAttributeValue", err)
	}
	values := make([][]byte, len(got))
	for i, a := range got {
		values[i] = a.Value
	}
	return values, nil
}

// login logs the user in. That concerns every session of the process with
// this token, so that another Token may have done it already.
func (s session) login(p PIN) error {
	err := s.c.Login(s.h, p11.CKU_USER, p.reveal())
	if is(err, p11.CKR_USER_ALREADY_LOGGED_IN) {
		return nil
	}
	return called("C_Login", err)
}
